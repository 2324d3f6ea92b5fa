"""How well supernets rank networks, by how they are trained: samplers, teachers, shared weights, budgets.

Every way trains supernets of the space `tiny-8` for the same CPU time, with several seeds; a teacher that is
trained alone comes on top of that time. The ranking that each supernet gives to all networks is compared with
the errors of the same networks trained alone (`standalone_table`), averaged over their trainings.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from analysis.shared.weight_sharing import SHARINGS
from evo_bnas.archive.ranking import Agreement, agreement, between_seeds
from evo_bnas.binary.execute import Mode
from evo_bnas.binary.network import Network
from evo_bnas.binary.sign import SignGradient
from evo_bnas.data.dataset import Dataset, load
from evo_bnas.data.settings import DataSettings
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.evaluate.supernet import classified, error_of
from evo_bnas.evaluate.table import load_table
from evo_bnas.files.shipped import shipped
from evo_bnas.progress import silent
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.samplers import SAMPLERS
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Schedule
from evo_bnas.train.randomness import Stream, generator, torch_seed
from evo_bnas.train.retrain import retrain
from evo_bnas.train.settings import TrainingSettings
from evo_bnas.train.supernet import train_supernet
from evo_bnas.train.teacher import Teacher

_SPACE = "tiny-8"
_TABLE = shipped("tables") / f"{_SPACE}.csv"
_BATCH, _LR = 64, 5e-3  # of training, as in the recipe digits
_SCORED_BATCH = 128
_CALIBRATION = 512  # images, as in a run
_TEACHER_EPOCHS = 40
_TRIAL_EPOCHS = 5


@dataclass(frozen=True, slots=True)
class Way:
    """One way to train a supernet."""

    sampler: str = "uniform"
    teacher: str = "none"  # none | in-place | alone: the largest network, whose training comes on top
    sharing: str = "mask and crop"
    sign_gradient: SignGradient = "approx"
    real_share: float = 0.0  # of the epochs, at the beginning, with real weights
    budget: float = 1.0  # times the CPU time


DEFAULT = "uniform, mask and crop (default)"
WAYS: Mapping[str, Way] = {
    DEFAULT: Way(),
    "fair": Way(sampler="fair"),
    "cost_uniform": Way(sampler="cost_uniform"),
    "sandwich": Way(sampler="sandwich"),
    "sandwich, teacher in place": Way(sampler="sandwich", teacher="in-place"),
    "uniform, teacher in place": Way(teacher="in-place"),
    "uniform, teacher trained alone": Way(teacher="alone"),
    "groups in chunks, as in NAS-BNN": Way(sharing="groups in chunks"),
    "a tensor for every number of groups": Way(sharing="groups apart"),
    "a tensor for every kernel size": Way(sharing="kernels apart"),
    "a tensor for every combination of both": Way(sharing="both apart"),
    "straight-through instead of ApproxSign": Way(sign_gradient="ste"),
    "annealed tanh": Way(sign_gradient="tanh"),
    "real weights for the first 30 %": Way(real_share=0.3),
    "half the time": Way(budget=0.5),
    "twice the time": Way(budget=2.0),
    "four times the time": Way(budget=4.0),
}
CALIBRATIONS = (64, 128, 256, 1024)  # images; the default way is scored with these too


def train(way: Way, calibrations: Sequence[int], seed: int, seconds: float, scratch: Path) -> dict[str, Any]:
    """Train a supernet for about this CPU time; its error of every network by calibration images and key."""
    dataset = load(DataSettings(name="digits"), seed=0)
    space = catalogue.load(_SPACE).fit(dataset.image, len(dataset.classes))
    supernet = SHARINGS[way.sharing](space, torch_seed(seed, Stream.WEIGHTS))
    teacher = _teacher(way, space, dataset, scratch)
    epochs = _epochs(way, space, dataset, teacher, seconds * way.budget, scratch)
    real = round(epochs * way.real_share)
    for weights, share in (("real", real), ("binary", epochs - real)):
        if share:
            _train(way, supernet, dataset, teacher, _schedule(share, seed), weights == "real", scratch)
    networks = list(space.enumerate())
    return {
        "epochs": epochs,
        "errors": {
            str(images): _errors(supernet, networks, dataset, seed, images) for images in calibrations
        },
    }


def _epochs(
    way: Way, space: Space, dataset: Dataset, teacher: Teacher | None, seconds: float, scratch: Path
) -> int:
    """How many epochs fit, judged by a few epochs of another supernet once everything is loaded."""
    trial = SHARINGS[way.sharing](space, 0)
    _train(way, trial, dataset, teacher, _schedule(1, 0), False, scratch)
    started = time.process_time()
    _train(way, trial, dataset, teacher, _schedule(_TRIAL_EPOCHS, 1), False, scratch)
    return max(round(seconds * _TRIAL_EPOCHS / (time.process_time() - started)), 1)


def _train(
    way: Way,
    supernet: Supernet,
    dataset: Dataset,
    teacher: Teacher | None,
    schedule: Schedule,
    real: bool,
    scratch: Path,
) -> None:
    checkpoint = Checkpoint(scratch)
    checkpoint.remove()
    train_supernet(
        supernet,
        dataset.train,
        schedule,
        SAMPLERS[way.sampler],
        mode=Mode("real" if real else "binary", way.sign_gradient),
        teacher=teacher,
        checkpoint=checkpoint,
    )
    checkpoint.remove()


def _teacher(way: Way, space: Space, dataset: Dataset, scratch: Path) -> Teacher | None:
    if way.teacher == "none":
        return None
    if way.teacher == "in-place":
        return "in-place"
    network = Network(space.draw(space.largest()), seed=torch_seed(0, Stream.WEIGHTS))
    checkpoint = Checkpoint(scratch)
    checkpoint.remove()
    retrain(
        network,
        dataset.train,
        _schedule(_TEACHER_EPOCHS, 0),
        stage="teacher",
        mode=Mode("real"),
        precision="float32",
        checkpoint=checkpoint,
        report=silent,
    )
    checkpoint.remove()
    network.set_statistics(calibrate(partial(network.run, mode=Mode("real")), dataset.train, _SCORED_BATCH))
    network.eval()
    return lambda images: network(images, Mode("real"))


def _schedule(epochs: int, seed: int) -> Schedule:
    return Schedule(TrainingSettings(epochs=epochs, batch=_BATCH, lr=_LR), epochs, seed)


def _errors(
    supernet: Supernet, networks: Sequence[Architecture], dataset: Dataset, seed: int, images: int
) -> dict[str, float]:
    """The error of every network on the search part, by key, with this many images for calibration."""
    order = generator(seed, Stream.CALIBRATION).permutation(len(dataset.train))
    chosen = dataset.train[torch.from_numpy(order[:images])]

    def error(network: Architecture) -> float:
        own = partial(supernet, architecture=network)
        statistics = calibrate(own, chosen, _SCORED_BATCH)
        return error_of(
            classified(partial(own, norm=statistics), dataset.search, dataset.search.y, _SCORED_BATCH)
        )

    return {network.key: error(network) for network in networks}


@dataclass(frozen=True, slots=True)
class Truth:
    """Mean error of every network trained alone, and its ops, by the key of the space."""

    errors: Mapping[str, float]
    ops: Mapping[str, float]

    @classmethod
    def read(cls) -> "Truth":
        """The shipped table, whose rows name options as text."""
        known, _ = load_table(_TABLE)
        space = catalogue.load(_SPACE)
        columns = [{str(option): index for index, option in enumerate(gene.options)} for gene in space.genes]
        errors, ops = {}, {}
        for row in known.enumerate():
            options = (str(gene.options[option]) for gene, option in zip(known.genes, row.genes, strict=True))
            genes = [column.get(option, 0) for column, option in zip(columns, options, strict=True)]
            key = space.architecture(genes).key
            errors[key], ops[key] = (known.scores[row.key][name] for name in ("error", "ops"))
        return cls(errors, ops)

    def compare(self, errors: Mapping[str, float]) -> Agreement:
        """How well other errors rank the networks."""
        return agreement(
            *([column[key] for key in self.errors] for column in (errors, self.errors, self.ops))
        )


def row(
    name: str, epochs: Sequence[int], errors: Sequence[Mapping[str, float]], truth: Truth
) -> dict[str, Any]:
    """The figures of one way from the errors of its supernets: means over seeds, and the deviation of tau."""
    agreed = [truth.compare(own) for own in errors]
    taus = [one.estimated.tau for one in agreed]
    values = [_known(tau.value) for tau in taus]
    return {
        "way": name,
        "epochs": round(float(np.mean(epochs))),
        "tau": float(np.mean(values)),
        "tau_deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "interval": [float(np.mean([_known(end) for end in ends])) for ends in
                     ([tau.low for tau in taus], [tau.high for tau in taus])],
        "tau_in_bands": float(np.mean([_known(one.estimated.tau_in_bands.value) for one in agreed])),
        "error": float(np.mean([list(own.values()) for own in errors])),
    }  # fmt: skip


def _known(value: float | None) -> float:
    """A figure of a ranking; a supernet that gives all networks the same error ranks nothing."""
    return 0.0 if value is None else value


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--ways", nargs="+", default=tuple(WAYS), help="default: all")
    parser.add_argument("--seeds", type=int, default=3, help="supernets of each way (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0, help="CPU time of each (default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """One row for each way and each number of calibration images; what ops alone and a second seed reach."""
    for name in options.ways:
        if name not in WAYS:
            raise UsageError(f"--ways: unknown way {name!r}; {suggestion(name, WAYS)}")
    torch.set_num_threads(1)  # maps of 8 x 8 are too small to share
    truth, rows, calibrated = Truth.read(), [], []
    for name in options.ways:
        sizes = (_CALIBRATION, *CALIBRATIONS) if name == DEFAULT else (_CALIBRATION,)
        scratch = parts.folder / "scratch.safetensors"
        supernets = [
            parts.get(f"{name}-seed{seed}", train, WAYS[name], sizes, seed, options.seconds, scratch)
            for seed in range(options.seeds)
        ]
        epochs = [own["epochs"] for own in supernets]
        by_size = {size: [own["errors"][str(size)] for own in supernets] for size in sizes}
        rows.append(row(name, epochs, by_size.pop(_CALIBRATION), truth))
        calibrated += [
            row(f"calibrated on {size} images", epochs, errors, truth) for size, errors in by_size.items()
        ]
    ops_alone = truth.compare({key: -ops for key, ops in truth.ops.items()}).ops.tau
    return {
        "networks": len(truth.errors),
        "calibration_images": _CALIBRATION,
        "ops_alone": [ops_alone.value, ops_alone.low, ops_alone.high],
        "tau_between_seeds": between_seeds(pd.read_csv(_TABLE).filter(like="error_").to_numpy().T),
        "rows": rows + calibrated,
    }


def render(result: Result) -> str:
    """One row for each way."""
    figures = result.figures
    columns = ["way", "epochs", "tau", "interval", "tau inside bands of ops", "mean error"]
    rows = [
        [
            own["way"],
            f"{own['epochs']}",
            f"{own['tau']:.3f}" + (f" ± {own['tau_deviation']:.3f}" if own["tau_deviation"] else ""),
            "[{:.2f}, {:.2f}]".format(*own["interval"]),
            f"{own['tau_in_bands']:.3f}",
            percent(own["error"], 1),
        ]
        for own in figures["rows"]
    ]
    value, low, high = figures["ops_alone"]
    seeds, seconds = result.options["seeds"], result.options["seconds"]
    return (
        f"{seeds} supernets for each way, {seconds:g} s of CPU time each, "
        f"calibrated on {figures['calibration_images']} images and judged on all {figures['networks']} "
        f"networks. Ops alone reach a tau of {value:.2f} [{low:.2f}, {high:.2f}]; the errors of two "
        f"trainings of the same networks, alone, agree with {figures['tau_between_seeds']:.2f}."
        f"\n\n{table(columns, rows)}"
    )


STUDY = Study(
    about=__doc__,
    section="How well a supernet ranks, by how it is trained",
    minutes=30,
    measure=measure,
    render=render,
    options=options,
)
