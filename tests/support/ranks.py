"""What ranks run in tests, in a module that is quick to import."""

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
from evo_bnas.train import checkpoint as checkpoints
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Trainable, latent_weights, train
from evo_bnas.train.randomness import Stream, generator
from evo_bnas.train.ranks import Ranks
from evo_bnas.train.stage import TrainingStage
from evo_bnas.train.supernet import SupernetTraining

_steps = count()


@dataclass(frozen=True)
class DiesOnce:
    """The uniform sampler; the second rank kills itself after two steps. Every step is saved."""

    died: Path  # a file that exists once it has happened

    def __call__(self, space: Space, rng: np.random.Generator) -> list[Architecture]:
        checkpoints.SECONDS_BETWEEN = 0.0
        if next(_steps) == 2 and torch.distributed.get_rank() == 1 and not self.died.exists():
            self.died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return uniform(space, rng)


def smallest(space: Space, _rng: np.random.Generator) -> list[Architecture]:
    """A sampler of the smallest network only, so that most parameters are never used."""
    return [space.smallest()]


@dataclass(frozen=True)
class Case:
    """A training that is done by ranks and by one process."""

    space: Space
    images: Images
    stage: TrainingStage
    sampler: Sampler

    def untrained(self) -> Supernet:
        return Supernet(self.space, seed=1)


def run_rank(ranks: Ranks, folder: Path, cases: Sequence[Case]) -> None:
    """One of the processes that train together, without Ray; writes loss and weights of every case."""
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", meeting, rank=ranks.rank, world_size=ranks.count)
    for number, case in enumerate(cases):
        supernet = case.untrained()
        reported: list[Progress] = []
        training = SupernetTraining(supernet, case.images, case.stage, case.sampler)
        training.run(Checkpoint(folder / f"{number}-of-{ranks.rank}"), reported.append, ranks)
        loss_file(folder, number, ranks.rank).write_text(last_loss(reported))
        save_supernet(supernet, weights_file(folder, number, ranks.rank))
    torch.distributed.destroy_process_group()


def last_loss(reported: Sequence[Progress]) -> str:
    """The loss in the last report."""
    return reported[-1].figures.partition(",")[0]


def loss_file(folder: Path, case: int, rank: int) -> Path:
    """The file with the loss of a rank."""
    return folder / f"{case}-of-{rank}.txt"


def weights_file(folder: Path, case: int, rank: int) -> Path:
    """The file with the weights of a rank."""
    return folder / f"{case}-of-{rank}.safetensors"


def train_in_parts(
    supernet: Supernet,
    images: Images,
    stage: TrainingStage,
    sampler: Sampler,
    checkpoint: Checkpoint,
    report: Report = silent,
    ranks: int = 2,
) -> None:
    """What several ranks do, in one process: it takes the parts of a batch in turn and sums the gradients."""
    space = supernet.space

    def backward(x: Tensor, labels: Tensor, step: int) -> Tensor:
        total = torch.zeros(())
        sampled = sampler(space, generator(stage.seed, Stream.ARCHITECTURES, step))
        for part in (Ranks(rank, ranks).part(len(x)) for rank in range(ranks)):
            for architecture in sampled:
                loss = F.cross_entropy(supernet(x[part], architecture), labels[part])
                loss = loss * (len(x[part]) / len(x) / len(sampled))
                loss.backward()
                total += loss.detach()
        return total

    trainable = Trainable(dict(supernet.named_parameters()), latent_weights(space.envelope()), backward)
    train(trainable, images, stage, checkpoint=checkpoint, report=report)
