"""What ranks run in tests, in a module that they load quickly."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from evo_bnas.data.dataset import Images
from evo_bnas.progress import Progress, Report, silent
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.samplers import Sampler, uniform
from evo_bnas.supernet.supernet import Supernet, save_supernet
from evo_bnas.train import checkpoint as saving
from evo_bnas.train import loop
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Schedule
from evo_bnas.train.randomness import Stream, generator
from evo_bnas.train.ranks import Ranks
from evo_bnas.train.supernet import train_supernet

_steps = count()


@dataclass(frozen=True)
class DiesOnce:
    """The uniform sampler, which every rank asks once a step; the second rank kills itself after two steps.

    Where it runs, every step is saved.
    """

    died: Path  # a file: it was done

    def __call__(self, space: Space, rng: np.random.Generator) -> list[Architecture]:
        saving.SECONDS_BETWEEN = 0.0
        if next(_steps) == 2 and torch.distributed.get_rank() == 1 and not self.died.exists():
            self.died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return uniform(space, rng)


def smallest(space: Space, _rng: np.random.Generator) -> list[Architecture]:
    """Always one network, so that most parameters are never used."""
    return [space.smallest()]


@dataclass(frozen=True)
class Case:
    """A training that ranks and one process do alike."""

    space: Space
    images: Images
    schedule: Schedule
    sampler: Sampler

    def fresh(self) -> Supernet:
        return Supernet(self.space, seed=1)


def run_rank(ranks: Ranks, folder: Path, cases: Sequence[Case]) -> None:
    """One of the processes that train together without Ray: its weights, case by case, go to the folder."""
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", meeting, rank=ranks.rank, world_size=ranks.count)
    for number, case in enumerate(cases):
        supernet = case.fresh()
        told: list[Progress] = []
        train_supernet(
            supernet,
            case.images,
            case.schedule,
            case.sampler,
            checkpoint=Checkpoint(folder / f"{number}-of-{ranks.rank}"),
            report=told.append,
            ranks=ranks,
        )
        loss_file(folder, number, ranks.rank).write_text(loss_in(told))
        save_supernet(supernet, weights_of(folder, number, ranks.rank))
    torch.distributed.destroy_process_group()


def loss_in(told: Sequence[Progress]) -> str:
    """The loss in the last report."""
    return told[-1].figures.partition(",")[0]


def loss_file(folder: Path, case: int, rank: int) -> Path:
    """Where a rank leaves its loss."""
    return folder / f"{case}-of-{rank}.txt"


def weights_of(folder: Path, case: int, rank: int) -> Path:
    """Where a rank leaves its weights."""
    return folder / f"{case}-of-{rank}.safetensors"


def train_in_parts(
    supernet: Supernet,
    images: Images,
    schedule: Schedule,
    sampler: Sampler,
    checkpoint: Checkpoint,
    report: Report = silent,
    ranks: int = 2,
) -> None:
    """What so many ranks do, in one process: it takes the parts of a batch in turn and adds up gradients."""
    space = supernet.space

    def backward(x: Tensor, labels: Tensor, step: int) -> Tensor:
        total = torch.zeros(())
        sampled = sampler(space, generator(schedule.seed, Stream.ARCHITECTURES, step))
        for part in (Ranks(rank, ranks).part(len(x)) for rank in range(ranks)):
            for architecture in sampled:
                loss = F.cross_entropy(supernet(x[part], architecture), labels[part])
                loss = loss * (len(x[part]) / len(x) / len(sampled))
                loss.backward()
                total += loss.detach()
        return total

    loop.train(
        "parts",
        dict(supernet.named_parameters()),
        loop.latent_weights(space.envelope()),
        backward,
        images,
        schedule,
        checkpoint=checkpoint,
        report=report,
    )
