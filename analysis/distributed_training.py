"""How fast ranks train a supernet: several of one thread each, against one process with as many threads.

    python -m analysis.distributed_training

Both take the same steps with the same batches and architectures, by turns, so that a machine that is busy now
and then slows both; the ratio is taken turn by turn. Images are made up, in the shape of the space. The ranks
exchange gradients by gloo, as they do on a cluster without GPUs; starting them, and Ray, is left out.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from analysis import command
from evo_bnas.data.dataset import Images
from evo_bnas.machine import processor
from evo_bnas.space.catalogue import load
from evo_bnas.supernet.samplers import uniform
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.ranks import ALONE, Ranks
from evo_bnas.train.settings import AugmentationSettings, TrainingSettings
from evo_bnas.train.stage import TrainingStage
from evo_bnas.train.supernet import SupernetTraining

Turn = Callable[[int], float]  # seconds of one turn, by its number


@dataclass(frozen=True, slots=True)
class Work:
    """What is trained in a turn."""

    space: str
    batch: int
    steps: int


@dataclass(frozen=True, slots=True)
class Speeds:
    """Images per second, and the ranks' divided by the one process's."""

    ranks: int
    together: float  # medians over turns
    alone: float
    ratio: float  # median over turns, with quartiles
    low: float
    high: float


def learner(work: Work, ranks: Ranks, threads: int, folder: Path) -> Turn:
    """Turns of one rank, or of a process that is alone."""
    torch.set_num_threads(threads)
    space = load(work.space)
    supernet = Supernet(space)
    drawn = torch.Generator().manual_seed(0)
    count = work.batch * work.steps
    pixels = torch.randint(256, (count, *space.image), generator=drawn).to(torch.uint8)
    labels = torch.randint(space.classes, (count,), generator=drawn)
    moments = torch.full((space.image[0],), 127.5, dtype=torch.float64)
    images = Images(pixels, labels, mean=moments, std=moments)

    def turn(number: int) -> float:
        settings = TrainingSettings(epochs=1, batch=work.batch)
        stage = TrainingStage("supernet", settings, number, AugmentationSettings(crop=4, flip=True))
        checkpoint = Checkpoint(folder / f"{ranks.rank}-of-{ranks.count}.safetensors")
        begin = time.perf_counter()
        SupernetTraining(supernet, images, stage, uniform).run(checkpoint, ranks=ranks)
        seconds = time.perf_counter() - begin
        checkpoint.remove()
        return seconds

    return turn


@contextmanager
def together(work: Work, count: int, folder: Path) -> Iterator[Turn]:
    """Turns of so many ranks, each a process with one thread; a turn ends with its last rank."""
    context = get_context("spawn")
    processes, ends = [], []
    for rank in range(count):
        end, other = context.Pipe()
        process = context.Process(target=_serve, args=(work, Ranks(rank, count), folder, other), daemon=True)
        process.start()
        processes.append(process)
        ends.append(end)

    def turn(number: int) -> float:
        for end in ends:
            end.send(number)
        return max(float(end.recv()) for end in ends)

    yield turn
    for end, process in zip(ends, processes, strict=True):
        end.send(None)
        process.join()


def _serve(work: Work, ranks: Ranks, folder: Path, orders: "Connection[float, int | None]") -> None:
    meeting = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", meeting, rank=ranks.rank, world_size=ranks.count)
    turn = learner(work, ranks, 1, folder)
    while (number := orders.recv()) is not None:
        orders.send(turn(number))
    torch.distributed.destroy_process_group()


def compare(work: Work, count: int, turns: int) -> Speeds:
    """So many ranks of one thread against one process of so many threads, after a turn to warm up."""
    with TemporaryDirectory() as name, together(work, count, Path(name)) as ranks:
        alone = learner(work, ALONE, count, Path(name))
        taken = np.array([[ranks(number), alone(number)] for number in range(1 + turns)])[1:]
    ranked, single = np.median(work.batch * work.steps / taken, axis=0).tolist()
    low, median, high = np.quantile(taken[:, 1] / taken[:, 0], [0.25, 0.5, 0.75]).tolist()
    return Speeds(count, ranked, single, median, low, high)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command.parser("analysis.distributed_training", __doc__)
    asked.add_argument("--space", default="group-mobile-32", help="default %(default)s")
    asked.add_argument("--batch", type=int, default=128, help="images of a step (default %(default)s)")
    asked.add_argument("--steps", type=int, default=3, help="of a turn (default %(default)s)")
    asked.add_argument("--turns", type=int, default=9, help="default %(default)s")
    asked.add_argument("--ranks", type=int, default=2, help="default %(default)s")
    command.run(_study, asked, arguments)


def _study(asked: argparse.Namespace) -> None:
    work = Work(asked.space, asked.batch, asked.steps)
    print(f"{processor()}, torch {torch.__version__}; {work.space}, batches of {work.batch}")
    found = compare(work, asked.ranks, asked.turns)
    print(f"{found.ranks} ranks with 1 thread each  {found.together:7,.0f} images/s")
    print(f"1 process with {found.ranks} threads    {found.alone:7,.0f} images/s")
    print(f"ratio, turn by turn         {found.ratio:7.2f} ({found.low:.2f} to {found.high:.2f})")


if __name__ == "__main__":
    main()
