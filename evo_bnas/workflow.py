"""The stories of a run, each readable top to bottom: train, search, pick, retrain, all of them."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from evo_bnas import card, findings, plan
from evo_bnas.beginning import earlier_archives, start
from evo_bnas.binary import weights_file
from evo_bnas.card import Card
from evo_bnas.cluster import need_share, open_engine
from evo_bnas.durable import write_bytes
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.evaluate.evaluators import SupernetEvaluator
from evo_bnas.progress import Report, silent
from evo_bnas.results.archive import Archive
from evo_bnas.results.journal import Journal
from evo_bnas.retraining import Retraining
from evo_bnas.run import Run, processor
from evo_bnas.search import EXPLORERS, MODELLED, warm_start
from evo_bnas.search.judgement import judgements
from evo_bnas.search.loop import search as search_loop
from evo_bnas.search.polish import Polished
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Space
from evo_bnas.supernet.samplers import SAMPLERS
from evo_bnas.supernet.supernet import Supernet, load_supernet, save_supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.randomness import Stream, generator, torch_seed
from evo_bnas.train.supernet import train_supernet
from evo_bnas.train.teacher import Teacher, load_teacher

_CALIBRATION_IMAGES = 512


def run(
    name: str | Path, out: Path | None = None, overrides: Sequence[str] = (), report: Report = silent
) -> Run:
    """The whole job: train, search, pick, retrain; called again it goes on where it was."""
    begun = start(name, out, overrides, report)
    train(begun, report)
    search(begun, report)
    retrain_all(begun, findings.choose(begun).order[: begun.recipe.retrain.top], report)
    return begun


def train(run: Run, report: Report = silent) -> None:
    """Train the supernet of a run, unless it is trained."""
    if run.supernet_file.exists():
        return
    with run.lock():
        asked = run.recipe.supernet
        supernet = Supernet(run.space, seed=torch_seed(run.recipe.seed, Stream.WEIGHTS)).to(plan.device(run))
        images, teacher = plan.images(run, report).train, _teacher(run)
        checkpoints = []
        for weights, schedule in plan.stages(run, asked):
            checkpoint = Checkpoint(run.checkpoint / f"supernet-{weights}.safetensors")
            learn = partial(
                train_supernet,
                schedule=schedule,
                sampler=SAMPLERS[asked.sampler],
                stage="supernet" if weights == "binary" else "supernet, real weights",
                mode=plan.mode(run, weights),
                precision=run.compute.precision,
            )
            if asked.ranks > 1 and checkpoint.read()[0] < schedule.steps(len(images)):
                from evo_bnas.cluster.training import Lesson, train_on_ranks  # Ray, seconds

                lesson = Lesson(learn, supernet, images, teacher, run.compute.each)
                train_on_ranks(
                    lesson,
                    asked.ranks,
                    run.recipe.engine,
                    device=run.compute.device,
                    checkpoint=checkpoint,
                    report=report,
                )
                assert checkpoint.read()[0] == schedule.steps(len(images))
            # What ranks have trained is at its end, and only read.
            learn(supernet, images, teacher=teacher, checkpoint=checkpoint, report=report)
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
        if asked.polish:
            explorer = Polished(explorer, problem, after=asked.evaluations - asked.polish)
        left = book.archive.left(asked.evaluations, asked.attempts)
        with open_engine(run.recipe.engine, scorer, left, scorer.conditions.device) as engine:
            reason = search_loop(
                problem,
                explorer,
                engine,
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
    (done,) = retrain_all(run, [key], report)
    return done


def retrain_all(run: Run, keys: Sequence[str], report: Report = silent) -> list[Card]:
    """Retrain several networks, side by side where the recipe asks for workers; their cards.

    There one that fails does not keep the others from their end: ClusterError is raised after it. Raises
    UsageError where a key is not of the space, and where workers cannot be had.
    """
    try:
        networks = [run.space.parse(key) for key in keys]
    except ValueError as failure:
        raise UsageError(str(failure)) from None
    cards = [run.pick_folder(network.key) / card.FILE for network in networks]
    undone = [network for network, file in zip(networks, cards, strict=True) if not file.exists()]
    asked = run.recipe.engine.at_most(len(undone))
    if undone:
        at_work = replace(run, folder=run.folder.absolute())  # workers stand in another folder
        threads = run.compute.each if len(keys) > 1 else run.compute.threads  # however many are left
        trainer = partial(Retraining, at_work, plan.images(run), threads=threads, named=len(keys) > 1)
        if asked.distributed:
            need_share(asked, run.compute.device)
            from evo_bnas.cluster.side_by_side import train_side_by_side  # Ray, a second

            train_side_by_side(trainer, undone, asked, folder=at_work.folder, report=report)
        else:
            for network in undone:
                trainer(report).train(network)
    return [card.read(file) for file in cards]


def evaluator(run: Run) -> SupernetEvaluator:
    """What scores architectures of a run with its trained supernet, by 1-bit execution or with torch."""
    kind, device, latency = SupernetEvaluator, plan.device(run), None
    if run.compute.backend == "packed":
        from evo_bnas.evaluate.packed import PackedEvaluator  # Numba, a second

        kind, device = PackedEvaluator, torch.device("cpu")
    if "latency_ms" in run.recipe.search.objectives:
        from evo_bnas.packed.latency import LatencyMeter

        latency = LatencyMeter()
    images = plan.images(run).to(device)
    torch.set_num_threads(run.compute.each)
    supernet = load_supernet(run.space, run.supernet_file).to(device)
    order = generator(run.recipe.seed, Stream.CALIBRATION).permutation(len(images.train))
    calibration = images.train[torch.from_numpy(order[:_CALIBRATION_IMAGES]).to(device)]
    conditions = replace(
        plan.conditions(run, images, calibration),
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
    return teacher.to(plan.device(run))


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
