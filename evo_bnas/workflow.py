"""The stories of a run, each readable top to bottom: train, search, pick, retrain, all of them."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from evo_bnas import card, data, findings
from evo_bnas.beginning import earlier_archives, start
from evo_bnas.binary import weights_file
from evo_bnas.binary.execute import Mode
from evo_bnas.binary.network import Network, save_network
from evo_bnas.binary.weights import Weights
from evo_bnas.card import Card
from evo_bnas.data import Dataset, Images
from evo_bnas.durable import file_name, write_bytes
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Evaluator, InProcess
from evo_bnas.evaluate.evaluators import Conditions, SupernetEvaluator, classified, error_of
from evo_bnas.evaluate.standalone import StandAlone
from evo_bnas.progress import Report, silent
from evo_bnas.recipe import Retrain, Training
from evo_bnas.results.archive import Archive
from evo_bnas.results.journal import Journal
from evo_bnas.run import Run, processor
from evo_bnas.search import EXPLORERS, MODELLED, warm_start
from evo_bnas.search.judgement import judgements
from evo_bnas.search.loop import search as search_loop
from evo_bnas.search.polish import Polished
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.samplers import SAMPLERS
from evo_bnas.supernet.supernet import Supernet, load_supernet, save_supernet
from evo_bnas.train import retrain as retraining
from evo_bnas.train.augment import Augmentation
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Schedule
from evo_bnas.train.randomness import Stream, generator, torch_seed
from evo_bnas.train.supernet import train_supernet
from evo_bnas.train.teacher import Teacher, load_teacher
from evo_bnas.yaml_file import validate

# Images of one forward pass when accuracy is measured; part of the protocol, since sums round by it.
_BATCH = 128
_CALIBRATION_IMAGES = 512


def run(
    name: str | Path, out: Path | None = None, overrides: Sequence[str] = (), report: Report = silent
) -> Run:
    """The whole job: train, search, pick, retrain; called again it goes on where it was."""
    begun = start(name, out, overrides)
    train(begun, report)
    search(begun, report)
    for key in findings.choose(begun).order[: begun.recipe.retrain.top]:
        retrain(begun, key, report)
    return begun


def train(run: Run, report: Report = silent) -> None:
    """Train the supernet of a run, unless it is trained."""
    if run.supernet_file.exists():
        return
    with run.lock():
        asked = run.recipe.supernet
        supernet = Supernet(run.space, seed=torch_seed(run.recipe.seed, Stream.WEIGHTS)).to(_device(run))
        images, teacher = _images(run).train, _teacher(run)
        checkpoints = []
        for weights, schedule in _stages(run, asked):
            checkpoint = Checkpoint(run.checkpoint / f"supernet-{weights}.safetensors")
            train_supernet(
                supernet,
                images,
                schedule,
                SAMPLERS[asked.sampler],
                stage="supernet" if weights == "binary" else "supernet, real weights",
                mode=_mode(run, weights),
                teacher=teacher,
                precision=run.compute.precision,
                checkpoint=checkpoint,
                report=report,
            )
            checkpoints.append(checkpoint)
        save_supernet(supernet, run.supernet_file)
        for checkpoint in checkpoints:
            checkpoint.remove()


def search(run: Run, report: Report = silent) -> list[str]:
    """Search with the trained supernet until the budget is spent.

    Returns why it ended and, where an explorer trusts a model, what that was worth, as sentences.
    """
    asked = run.recipe.search
    with run.lock(), Journal(run.journal_file) as book:
        scorer = evaluator(run)
        _check_same_scores(run, book.archive, scorer)
        measured, prior = warm_start.divide(
            earlier_archives(asked.warm_start, run.space), scorer.weights, scorer.conditions.hash
        )
        warm_start.enter(book, measured)
        if "latency_ms" in asked.objectives:
            from evo_bnas import profiling  # Numba, a second

            profiling.measure_largest(run)
        worst = findings.worst(run)
        problem = Problem(run.space, asked.objectives, asked.limits, asked.max_error, prior, worst)
        explorer = EXPLORERS[asked.explorer](problem, asked.population)
        reason = search_loop(
            problem,
            Polished(explorer, problem, after=asked.evaluations - asked.polish) if asked.polish else explorer,
            InProcess(scorer),
            book,
            evaluations=asked.evaluations,
            batch=asked.batch,
            seed=run.recipe.seed,
            attempts=asked.attempts,
            seconds=asked.seconds,
            stall=asked.stall,
            report=report,
        )
        findings.draw(run)
        return [reason, *_worth(run, problem, book.archive)]


def retrain(run: Run, key: str, report: Report = silent) -> Card:
    """Train a network of the run's space to the end, unless that is done; its card.

    It learns from the train and the search split together, since the search is over; the test split is
    looked at for the card alone and decides nothing. Raises UsageError where the key is not of the space.
    """
    try:
        architecture = run.space.parse(key)
    except ValueError as failure:
        raise UsageError(str(failure)) from None
    folder = run.pick_folder(key)
    folder.mkdir(parents=True, exist_ok=True)
    with run.lock(folder):
        if (folder / card.FILE).exists():
            return card.read(folder / card.FILE)
        images = _images(run)
        network = _untrained(run, architecture, images)
        inherited = _test(network, images.test) if network.calibrated else None
        checkpoints = _train_in_stages(run, network, key, images.train.join(images.search), report)
        save_network(network, folder / card.WEIGHTS, {"key": key, "space": run.space.name})
        blueprint = run.space.draw(architecture)
        done: Card = {
            "key": key,
            "space": run.space.name,
            "test_error": _test(network, images.test),
            "inherited_test_error": inherited,
            "supernet_search_error": _error_found(run, key),
            "weights": weights_file.fingerprint(folder / card.WEIGHTS),
            "recipe": run.recipe.hash,
            "retrain": run.recipe.retrain.model_dump(by_alias=True),
            "seed": run.recipe.seed,
            "data": images.about(),
            "cost": card.cost_rows(run.space.cost(architecture)),
            "blueprint": blueprint.to_rows(),
        }
        card.write(folder / card.FILE, done)
        for checkpoint in checkpoints:
            checkpoint.remove()
    return done


def stand_alone(run: Run, epochs: int | None, seed: int) -> StandAlone:
    """What scores architectures of a run by training each from scratch, otherwise as the recipe retrains.

    It learns from the train part alone and is scored on the search part, as the supernet is. Raises
    UsageError where the recipe's training cannot be that short.
    """
    images = _images(run)
    changes = {"from": "scratch"} | ({"epochs": epochs} if epochs else {})
    asked = validate(Retrain, run.recipe.retrain.model_dump(by_alias=True) | changes, "--epochs")
    own = replace(run, recipe=run.recipe.model_copy(update={"retrain": asked, "seed": seed}))

    def trained(architecture: Architecture) -> Network:
        network = _untrained(own, architecture, images)
        name = file_name(f"stand-alone-{scorer.protocol}-{architecture.key}")
        for checkpoint in _train_in_stages(own, network, name, images.train, silent):
            checkpoint.remove()
        return network

    scorer = StandAlone(
        run.space,
        trained,
        search=images.search,
        conditions=_conditions(run, images, images.train.x),
        training={
            **asked.model_dump(mode="json", exclude={"source", "top"}),
            **run.recipe.supernet.model_dump(mode="json", include={"sign_gradient", "sign_clip", "augment"}),
            "precision": run.compute.precision,
            "seed": seed,
        },
    )
    return scorer


def evaluator(run: Run) -> SupernetEvaluator:
    """What scores architectures of a run with its trained supernet, by 1-bit execution or with torch."""
    kind, device, latency = SupernetEvaluator, _device(run), None
    if run.compute.backend == "packed":
        from evo_bnas.evaluate.packed import PackedEvaluator  # Numba, a second

        kind, device = PackedEvaluator, torch.device("cpu")
    if "latency_ms" in run.recipe.search.objectives:
        from evo_bnas.packed.latency import LatencyMeter

        latency = LatencyMeter()
    images = _images(run).to(device)
    supernet = load_supernet(run.space, run.supernet_file).to(device)
    order = generator(run.recipe.seed, Stream.CALIBRATION).permutation(len(images.train))
    calibration = images.train.x[torch.from_numpy(order[:_CALIBRATION_IMAGES]).to(device)]
    conditions = replace(
        _conditions(run, images, calibration),
        backend=run.compute.backend,
        device=device.type,
        host=processor() or "unnamed" if latency else "",
    )
    return kind(
        supernet,
        calibration=calibration,
        search=images.search,
        weights=weights_file.fingerprint(run.supernet_file),
        conditions=conditions,
        latency=latency,
    )


def open_evaluator(folder: Path) -> tuple[Space, Evaluator]:
    """Space and evaluator of a finished run, for studies; raises UsageError where it has no supernet."""
    opened = Run.open(folder)
    opened.need_supernet()
    return opened.space, evaluator(opened)


def _conditions(run: Run, images: Dataset, calibration: Tensor) -> Conditions:
    return Conditions(
        data=images.fingerprint,
        images=len(images.search),
        calibration=_hash(calibration),
        batch=_BATCH,
        threads=run.compute.threads,
        device=run.compute.device,
    )


def _untrained(run: Run, architecture: Architecture, images: Dataset) -> Network:
    """The network as its training finds it: with weights of the supernet, or with fresh ones."""
    if run.recipe.retrain.source == "scratch":
        fresh = Network(run.space.draw(architecture), seed=torch_seed(run.recipe.seed, Stream.WEIGHTS))
        return fresh.to(_device(run))
    supernet = load_supernet(run.space, run.supernet_file).to(_device(run))
    statistics = calibrate(partial(supernet, architecture=architecture), images.train.x, _BATCH)
    return supernet.extract(architecture, statistics)


def _train_in_stages(
    run: Run, network: Network, key: str, images: Images, report: Report
) -> list[Checkpoint]:
    """Real weights first where the recipe says so, then binary; the checkpoints that may now go."""
    checkpoints = []
    for weights, schedule in _stages(run, run.recipe.retrain):
        checkpoint = Checkpoint(run.checkpoint / f"{key}-{weights}.safetensors")
        retraining.retrain(
            network,
            images,
            schedule,
            stage=f"retrain, {weights} weights",
            mode=_mode(run, weights),
            precision=run.compute.precision,
            checkpoint=checkpoint,
            report=report,
        )
        checkpoints.append(checkpoint)
    network.set_statistics(calibrate(network.run, images.x, _BATCH))
    network.eval()
    return checkpoints


def _stages(run: Run, asked: Training) -> list[tuple[Weights, Schedule]]:
    """Real weights first where the recipe says so, then binary; each stage has the whole schedule."""

    def schedule(epochs: int) -> Schedule:
        return Schedule(
            epochs=epochs,
            batch=asked.batch,
            lr=asked.lr,
            warm_up=asked.warm_up,
            decay=asked.decay,
            decay_until=asked.decay_until,
            label_smoothing=asked.label_smoothing,
            clip=asked.clip,
            seed=run.recipe.seed,
            augmentation=_augmentation(run),
        )

    stages: list[tuple[Weights, int]] = [("real", asked.real_epochs), ("binary", asked.epochs)]
    return [(weights, schedule(epochs)) for weights, epochs in stages if epochs > 0]


def _mode(run: Run, weights: Weights) -> Mode:
    asked = run.recipe.supernet
    return Mode(weights, asked.sign_gradient, clip=asked.sign_clip)


def _teacher(run: Run) -> Teacher | None:
    """What teaches the supernet; raises UsageError where a file is not the one that the run began with."""
    asked, begun_with = run.recipe.supernet, run.environment.teacher
    if asked.teacher_file is None:
        return None if asked.teacher == "none" else "in-place"
    teacher = load_teacher(asked.teacher_file, run.space)
    found = weights_file.fingerprint(asked.teacher_file)
    if begun_with not in (None, found):
        raise UsageError(
            f"supernet.teacher: {asked.teacher_file}: was changed: the run was begun with the weights "
            f"{begun_with}, and these are {found}; restore the old file, or begin another run with --out"
        )
    return teacher.to(_device(run))


def _test(network: Network, images: Images) -> float:
    return error_of(classified(network.eval(), images, _BATCH))


def _error_found(run: Run, key: str) -> float | None:
    """The search error that the supernet gave this network, if the search met it."""
    if not run.journal_file.exists():
        return None
    found = findings.archive(run)
    rows = found[(found["key"] == key) & (found["status"] == "ok")]
    return float(rows["error"].iloc[0]) if len(rows) else None


def _check_same_scores(run: Run, known: Archive, scorer: SupernetEvaluator) -> None:
    for _, score in known.scored:
        for what, found, now in (
            ("weights", score.weights, scorer.weights),
            ("protocol", score.protocol, scorer.conditions.hash),
        ):
            if found != now:
                raise UsageError(
                    f"{run.journal_file}: holds scores of {what} {found}, but the run now has {now}; "
                    "restore the old file, or search in another folder with --out"
                )


def _worth(run: Run, problem: Problem, known: Archive) -> list[str]:
    """Write down what the model of an explorer was worth in every round, and sum it up in sentences."""
    if run.recipe.search.explorer not in MODELLED:
        return []
    rounds = list(judgements(problem, known))
    if not rounds:
        return []
    rows = [asdict(judgement) | {"trusted": judgement.trusted} for judgement in rounds]
    write_bytes(run.rounds_csv, pd.DataFrame(rows).to_csv(index=False).encode())
    passed_over = sum(not judgement.trusted for judgement in rounds)
    return [
        f"model in the last of {len(rounds)} rounds: {rounds[-1]}",
        f"rounds left to NSGA-II, since no model could be trusted: {passed_over}; all: {run.rounds_csv}",
    ]


def _images(run: Run) -> Dataset:
    """The data set on the run's device, with the threads that the run was begun with."""
    torch.set_num_threads(run.compute.threads)
    return data.load(run.recipe.data.name, run.recipe.seed).to(_device(run))


def _device(run: Run) -> torch.device:
    return torch.device(run.compute.device)


def _augmentation(run: Run) -> Augmentation:
    asked = run.recipe.supernet.augment
    return Augmentation(asked.crop, asked.flip, asked.cutout)


def _hash(values: Tensor) -> str:
    return sha256(values.cpu().numpy().tobytes()).hexdigest()[:16]
