"""How well supernets rank networks, by how they are trained: samplers, teachers, shared weights, budgets.

Run it with `python -m analysis.fidelity`; it may be killed, and goes on when called again. Every way trains
supernets of the space `tiny-8` for the same processor time, with several seeds; a teacher that is trained
alone comes on top of that time. The ranking that each supernet gives all networks is compared with the errors
of the same networks trained alone (`analysis.standalone_table`), averaged over three trainings. Seeds may
run side by side: `--only 0` and `--only 1` in two processes, then once without it.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from analysis import command
from analysis.sharing import SHARINGS
from evo_bnas.archive.ranking import Agreement, agreement
from evo_bnas.binary.execute import Mode
from evo_bnas.binary.network import Network
from evo_bnas.binary.sign import SignGradient
from evo_bnas.binary.weights import Weights
from evo_bnas.cli import console
from evo_bnas.data.dataset import Dataset, load
from evo_bnas.data.settings import DataSettings
from evo_bnas.evaluate.supernet import correctly_classified, error_of
from evo_bnas.evaluate.table import load_table
from evo_bnas.files.atomic import write_bytes
from evo_bnas.files.shipped import shipped
from evo_bnas.machine import processor
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.samplers import SAMPLERS
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.network import train_network
from evo_bnas.train.randomness import Stream, generator, torch_seed
from evo_bnas.train.settings import TrainingSettings
from evo_bnas.train.stage import TrainingStage
from evo_bnas.train.supernet import SupernetTraining
from evo_bnas.train.teacher import NO_TEACHER, InPlaceTeacher, NetworkTeacher, Teacher

_SPACE = "tiny-8"
_BATCH, _LR = 64, 5e-3  # of training, as the recipe digits has them
_SCORED_BATCH = 128
_CALIBRATION = 512  # images, as in a run
_TEACHER_EPOCHS = 40
_TRIAL_EPOCHS = 5


@dataclass(frozen=True, slots=True)
class Way:
    """One way to train a supernet."""

    name: str
    sampler: str = "uniform"
    teacher: str = "none"  # none | in-place | alone: the largest; its own training comes on top
    sharing: str = "mask and crop"
    sign_gradient: SignGradient = "approx"
    real_share: float = 0.0  # of the epochs, with real weights, at the beginning
    budget: float = 1.0  # times the processor time


WAYS = (
    Way("uniform (default)"),
    Way("fair", sampler="fair"),
    Way("cost_uniform", sampler="cost_uniform"),
    Way("sandwich, no teacher", sampler="sandwich"),
    Way("sandwich, teacher in place", sampler="sandwich", teacher="in-place"),
    Way("uniform, teacher in place", teacher="in-place"),
    Way("uniform, teacher alone", teacher="alone"),
    Way("groups in chunks", sharing="groups in chunks"),
    Way("groups apart", sharing="groups apart"),
    Way("kernels apart", sharing="kernels apart"),
    Way("both apart", sharing="both apart"),
    Way("straight-through", sign_gradient="ste"),
    Way("annealed tanh", sign_gradient="tanh"),
    Way("real weights first", real_share=0.3),
    Way("half the time", budget=0.5),
    Way("twice the time", budget=2.0),
    Way("four times the time", budget=4.0),
)
CALIBRATIONS = (64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one supernet said of every network."""

    epochs: int
    seconds: float  # of the processor
    errors: dict[int, dict[str, float]]  # by calibration images, then by key


def train(way: Way, seed: int, space: Space, dataset: Dataset, seconds: float, scratch: Path) -> Outcome:
    """Train a supernet for about so many seconds of the processor, and have it judge every network."""
    supernet = SHARINGS[way.sharing](space, torch_seed(seed, Stream.WEIGHTS))
    teacher = _teacher(way, space, dataset, scratch)
    epochs = _epochs(way, space, dataset, teacher, seconds * way.budget, scratch)
    started = time.process_time()
    real = round(epochs * way.real_share)
    if real:
        _train(way, supernet, dataset, teacher, _stage(way, real, seed, "real"), scratch)
    if epochs - real:
        _train(way, supernet, dataset, teacher, _stage(way, epochs - real, seed), scratch)
    spent = time.process_time() - started
    sizes = CALIBRATIONS if way == WAYS[0] else (_CALIBRATION,)
    networks = list(space.enumerate())
    return Outcome(epochs, spent, {size: _judge(supernet, networks, dataset, seed, size) for size in sizes})


def _epochs(way: Way, space: Space, dataset: Dataset, teacher: Teacher, seconds: float, scratch: Path) -> int:
    """How many epochs fit, by what a few of a supernet of their own take once everything is loaded."""
    trial = SHARINGS[way.sharing](space, 0)
    _train(way, trial, dataset, teacher, _stage(way, 1, 0), scratch)
    started = time.process_time()
    _train(way, trial, dataset, teacher, _stage(way, _TRIAL_EPOCHS, 1), scratch)
    return max(round(seconds * _TRIAL_EPOCHS / (time.process_time() - started)), 1)


def _train(
    way: Way, supernet: Supernet, dataset: Dataset, teacher: Teacher, stage: TrainingStage, scratch: Path
) -> None:
    checkpoint = Checkpoint(scratch)
    checkpoint.remove()
    SupernetTraining(supernet, dataset.train, stage, SAMPLERS[way.sampler], teacher).run(checkpoint)
    checkpoint.remove()


def _teacher(way: Way, space: Space, dataset: Dataset, scratch: Path) -> Teacher:
    if way.teacher == "none":
        return NO_TEACHER
    if way.teacher == "in-place":
        return InPlaceTeacher(space.largest())
    network = Network(space.draw(space.largest()), seed=torch_seed(0, Stream.WEIGHTS))
    checkpoint = Checkpoint(scratch)
    checkpoint.remove()
    stage = replace(_stage(way, _TEACHER_EPOCHS, 0, "real"), mode=Mode("real"))
    train_network(network, dataset.train, stage, checkpoint=checkpoint)
    checkpoint.remove()
    network.set_statistics(calibrate(partial(network.run, mode=Mode("real")), dataset.train, _SCORED_BATCH))
    return NetworkTeacher(network.eval(), Mode("real"))


def _stage(way: Way, epochs: int, seed: int, weights: Weights = "binary") -> TrainingStage:
    settings = TrainingSettings(epochs=epochs, real_epochs=epochs, batch=_BATCH, lr=_LR)
    return TrainingStage("supernet", settings, seed, mode=Mode(weights, way.sign_gradient))


def _judge(
    supernet: Supernet, networks: Sequence[Architecture], dataset: Dataset, seed: int, images: int
) -> dict[str, float]:
    """The error on the search part by key, with so many images for calibration."""
    order = generator(seed, Stream.CALIBRATION).permutation(len(dataset.train))
    chosen = dataset.train[torch.from_numpy(order[:images])]

    def error(network: Architecture) -> float:
        own = partial(supernet, architecture=network)
        statistics = calibrate(own, chosen, _SCORED_BATCH)
        return error_of(
            correctly_classified(
                partial(own, norm=statistics), dataset.search, dataset.search.y, _SCORED_BATCH
            )
        )

    return {network.key: error(network) for network in networks}


def outcomes(
    ways: Sequence[Way], seeds: Sequence[int], seconds: float, folder: Path
) -> Iterator[tuple[Way, int, Outcome]]:
    """Every way with every seed; what stands in the folder already is read."""
    dataset = load(DataSettings(name="digits"), seed=0)
    space = catalogue.load(_SPACE).fit(dataset.image, len(dataset.classes))
    folder.mkdir(parents=True, exist_ok=True)
    for way in ways:
        for seed in seeds:
            file = folder / f"{way.name.replace(' ', '-')}-{seconds:g}s-seed{seed}.json"
            if not file.exists():
                found = train(way, seed, space, dataset, seconds, folder / f"scratch-{seed}.safetensors")
                text = {"epochs": found.epochs, "seconds": found.seconds, "errors": found.errors}
                write_bytes(file, json.dumps(text).encode())
            read = json.loads(file.read_text())
            errors = {int(size): by_key for size, by_key in read["errors"].items()}
            yield way, seed, Outcome(read["epochs"], read["seconds"], errors)


@dataclass(frozen=True, slots=True)
class Row:
    """What the seeds of one way agree on: means, and the deviation of tau between seeds."""

    name: str
    epochs: int
    seconds: float
    tau: float
    tau_deviation: float
    interval: tuple[float, float]  # of tau, over networks: the mean of the seeds' ends
    tau_in_bands: float
    gain: float  # of tau over that of ops alone
    regret: float  # of the network ranked first, as a fraction
    error: float  # mean over networks


def judged(
    name: str,
    found: Sequence[tuple[Outcome, dict[str, float]]],
    truth: dict[str, float],
    ops: dict[str, float],
) -> Row:
    """The figures of one way, from its outcomes and the errors that each gave by key; `truth` as well."""

    def compare(errors: dict[str, float]) -> Agreement:
        keys = list(errors)
        return agreement([errors[k] for k in keys], [truth[k] for k in keys], [ops[k] for k in keys])

    agreed = [compare(errors) for _, errors in found]
    taus = [_known(one.estimated.tau.value) for one in agreed]
    return Row(
        name=name,
        epochs=round(np.mean([outcome.epochs for outcome, _ in found])),
        seconds=float(np.mean([outcome.seconds for outcome, _ in found])),
        tau=float(np.mean(taus)),
        tau_deviation=float(np.std(taus, ddof=1)) if len(taus) > 1 else 0.0,
        interval=(
            float(np.mean([_known(one.estimated.tau.low) for one in agreed])),
            float(np.mean([_known(one.estimated.tau.high) for one in agreed])),
        ),
        tau_in_bands=float(np.mean([_known(one.estimated.tau_in_bands.value) for one in agreed])),
        gain=float(np.mean([_known(one.gain.value) for one in agreed])),
        regret=float(np.mean([one.estimated.regret[1] for one in agreed])),
        error=float(np.mean([np.mean(list(errors.values())) for _, errors in found])),
    )


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _truth() -> tuple[dict[str, float], dict[str, float]]:
    """Mean error of every network trained alone and its ops, by the key of the space."""
    table, _ = load_table(shipped("tables") / f"{_SPACE}.csv")
    space = catalogue.load(_SPACE)
    columns = [
        dict(zip(map(str, gene.options), range(len(gene.options)), strict=True)) for gene in space.genes
    ]
    truth, ops = {}, {}
    for row in table.enumerate():
        options = (str(gene.options[option]) for gene, option in zip(table.genes, row.genes, strict=True))
        genes = [column.get(option, 0) for column, option in zip(columns, options, strict=True)]
        key = space.architecture(genes).key
        truth[key], ops[key] = (table.scores[row.key][name] for name in ("error", "ops"))
    return truth, ops


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, then print the table."""
    parser = command.parser("analysis.fidelity", __doc__)
    parser.add_argument("--seeds", type=int, default=3, help="supernets of each way (default %(default)s)")
    parser.add_argument("--only", type=int, help="train those of this seed alone, and print nothing")
    parser.add_argument("--ways", type=int, default=len(WAYS), help="so many of them (default all)")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="of the processor for each (default %(default)s)"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/out/fidelity-study"), help="of what is found"
    )
    command.run(_study, parser, arguments)


def _study(asked: argparse.Namespace) -> None:
    torch.set_num_threads(1)  # maps of 8 x 8 are too small to share
    ways = list(islice(WAYS, asked.ways))
    seeds = range(asked.seeds) if asked.only is None else [asked.only]
    found: dict[Way, list[Outcome]] = {}
    for way, seed, outcome in outcomes(ways, seeds, asked.seconds, asked.folder):
        found.setdefault(way, []).append(outcome)
        console.say(f"{way.name}, seed {seed}: {outcome.epochs} epochs in {outcome.seconds:.0f} s")
    if asked.only is not None:
        return
    truth, ops = _truth()
    rows = [
        judged(way.name, [(one, one.errors[_CALIBRATION]) for one in own], truth, ops)
        for way, own in found.items()
    ]
    for size in CALIBRATIONS if WAYS[0] in found else ():
        own = [(one, one.errors[size]) for one in found[WAYS[0]]]
        rows.append(judged(f"calibrated on {size} images", own, truth, ops))
    keys = list(truth)
    alone = agreement([-ops[k] for k in keys], [truth[k] for k in keys], [ops[k] for k in keys]).ops
    if asked.format == "table":
        _print(rows, alone.tau, asked)
    else:
        _dump(rows, alone.tau.value, asked)


def _print(rows: Sequence[Row], ops_alone: object, asked: argparse.Namespace) -> None:
    print(f"{processor()}, torch {torch.__version__}, one thread; {asked.seeds} supernets each way")
    print(f"tau of ops alone: {ops_alone}")
    print(
        f"{'':28} {'epochs':>6} {'s':>5} {'tau':>6} {'seeds':>6} {'networks':>14} {'bands':>6} "
        f"{'gain':>6} {'regret':>7} {'error':>7}"
    )
    for row in rows:
        low, high = row.interval
        print(
            f"{row.name:28} {row.epochs:6d} {row.seconds:5.0f} {row.tau:6.3f} ±{row.tau_deviation:5.3f} "
            f"[{low:5.2f}, {high:5.2f}] {row.tau_in_bands:6.3f} {row.gain:+6.3f} {row.regret:7.2%} "
            f"{row.error:7.2%}"
        )


def _dump(rows: Sequence[Row], ops_alone: float | None, asked: argparse.Namespace) -> None:
    own = [{name: getattr(row, name) for name in Row.__slots__} for row in rows]
    print(json.dumps({"processor": processor(), "seeds": asked.seeds, "ops_alone": ops_alone, "rows": own}))


if __name__ == "__main__":
    main()
