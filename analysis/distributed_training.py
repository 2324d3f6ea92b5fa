"""How fast ranks train a supernet: several of one thread each, against one process with as many threads.

Both take the same steps with the same batches and architectures, in turns, so that other work on the machine
slows both; ratios are taken turn by turn. Images are random, in the shape of the space. The ranks exchange
gradients by gloo, as on a cluster without GPUs; the time to start them, and Ray itself, are not included.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.shared.markdown import quartiles, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from analysis.shared.timing import race, ratio
from evo_bnas.data.dataset import Images
from evo_bnas.space.catalogue import load
from evo_bnas.supernet.samplers import uniform
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.ranks import ALONE, Ranks
from evo_bnas.train.settings import AugmentationSettings, TrainingSettings
from evo_bnas.train.stage import TrainingStage
from evo_bnas.train.supernet import SupernetTraining


@dataclass(frozen=True, slots=True)
class Work:
    """What is trained in a turn."""

    space: str
    batch: int
    steps: int


def learner(work: Work, ranks: Ranks, threads: int, folder: Path) -> Callable[[], None]:
    """Turns of one rank, or of a single process."""
    torch.set_num_threads(threads)
    space = load(work.space)
    supernet = Supernet(space)
    drawn = torch.Generator().manual_seed(0)
    number = work.batch * work.steps
    pixels = torch.randint(256, (number, *space.image), generator=drawn).to(torch.uint8)
    labels = torch.randint(space.classes, (number,), generator=drawn)
    moments = torch.full((space.image[0],), 127.5, dtype=torch.float64)
    images = Images(pixels, labels, mean=moments, std=moments)
    augment = AugmentationSettings(crop=4, flip=True)
    seeds = count()

    def turn() -> None:
        stage = TrainingStage("ranks", TrainingSettings(epochs=1, batch=work.batch), next(seeds), augment)
        checkpoint = Checkpoint(folder / f"{ranks.rank}-of-{ranks.count}.safetensors")
        SupernetTraining(supernet, images, stage, uniform).run(checkpoint, ranks=ranks)
        checkpoint.remove()

    return turn


@contextmanager
def together(work: Work, ranks: int, folder: Path) -> Iterator[Callable[[], None]]:
    """Turns of several ranks, each a process with one thread; a turn ends with its last rank."""
    context = get_context("spawn")
    processes, ends = [], []
    for rank in range(ranks):
        end, other = context.Pipe()
        process = context.Process(target=_serve, args=(work, Ranks(rank, ranks), folder, other), daemon=True)
        process.start()
        processes.append(process)
        ends.append(end)

    def turn() -> None:
        for end in ends:
            end.send(True)
        for end in ends:
            end.recv()

    yield turn
    for end, process in zip(ends, processes, strict=True):
        end.send(False)
        process.join()


def _serve(work: Work, ranks: Ranks, folder: Path, orders: "Connection[None, bool]") -> None:
    meeting = f"file://{folder.absolute() / 'meeting'}"
    torch.distributed.init_process_group("gloo", meeting, rank=ranks.rank, world_size=ranks.count)
    turn = learner(work, ranks, 1, folder)
    while orders.recv():
        turn()
        orders.send(None)
    torch.distributed.destroy_process_group()


def compare(work: Work, ranks: int, turns: int, folder: Path) -> dict[str, Any]:
    """Images per second of ranks with one thread each and of one process with as many threads."""
    with together(work, ranks, folder) as turn:
        seconds = race({"ranks": turn, "alone": learner(work, ALONE, ranks, folder)}, turns)
    images = work.batch * work.steps
    return {
        "images_per_second": {name: images / float(np.median(own)) for name, own in seconds.items()},
        "ratio": ratio(seconds["alone"], seconds["ranks"]),
    }


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--space", default="group-mobile-32", help="default %(default)s")
    parser.add_argument("--batch", type=int, default=128, help="images of a step (default %(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="of a turn (default %(default)s)")
    parser.add_argument("--turns", type=int, default=9, help="default %(default)s")
    parser.add_argument("--ranks", type=int, default=2, help="default %(default)s")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Images per second of both, and their ratio."""
    work = Work(options.space, options.batch, options.steps)
    (parts.folder / "meeting").unlink(missing_ok=True)  # of an interrupted run
    return compare(work, options.ranks, options.turns, parts.folder)


def render(result: Result) -> str:
    """One row."""
    figures, ranks = result.figures, result.options["ranks"]
    speeds = figures["images_per_second"]
    columns = ["space", "batch", f"{ranks} ranks, 1 thread each", f"1 process, {ranks} threads", "ratio"]
    row = [
        result.options["space"],
        f"{result.options['batch']}",
        *(f"{speeds[name]:,.0f} images/s" for name in ("ranks", "alone")),
        quartiles(figures["ratio"]),
    ]
    return table(columns, [row])


STUDY = Study(
    about=__doc__,
    section="A supernet on two ranks",
    minutes=3,
    measure=measure,
    render=render,
    options=options,
    timing=True,
    threads=2,
)
