"""A tiny supernet training, and checkpoints that stop it or do nothing."""

from pathlib import Path

import numpy as np
import torch

from evo_bnas.data.dataset import Images
from evo_bnas.progress import Report, silent
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.samplers import Sampler
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.randomness import Stream, torch_generator
from evo_bnas.train.settings import AugmentationSettings
from evo_bnas.train.stage import TrainingStage
from evo_bnas.train.supernet import SupernetTraining
from tests.support.stages import stage
from tests.support.synthetic import TINY

CPU = torch.device("cpu")
STAGE = stage(
    epochs=4,
    batch=16,
    lr=5e-3,
    weight_decay=1e-4,
    seed=3,
    augment=AugmentationSettings(crop=1, flip=True, cutout=3),
)


def random_images(count: int = 48 + 5) -> Images:
    """Random images and labels; by default a little more than three batches of 16."""
    generator = torch_generator(0, Stream.WEIGHTS, 0, CPU)
    pixels = torch.randint(256, (count, 1, 8, 8), generator=generator).to(torch.uint8)
    labels = torch.randint(10, (count,), generator=generator)
    return Images(pixels, labels, mean=torch.tensor([127.5]), std=torch.tensor([74.0]))


def mostly_smallest(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """A sampler of the smallest and, in a tenth of the steps, the largest network.

    So some parameters are first used after many steps.
    """
    return [space.largest() if rng.random() < 0.1 else space.smallest()]


def train_tiny(
    checkpoint: Checkpoint,
    report: Report = silent,
    *,
    stage: TrainingStage = STAGE,
    sampler: Sampler = mostly_smallest,
) -> Supernet:
    """A supernet trained from a fixed start, or from the checkpoint if there is one."""
    supernet = Supernet(TINY, seed=1)
    SupernetTraining(supernet, random_images(), stage, sampler).run(checkpoint, report)
    return supernet


class NoCheckpoint(Checkpoint):
    """Writes nothing."""

    due = False  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(Path("/nowhere/checkpoint"))

    def save(self, step: int, parameters: object, optimizer: object) -> None:
        pass


class Stop(KeyboardInterrupt):
    """Stands for Ctrl-C after a known step."""


class EveryStep(Checkpoint):
    """Saves after every step, and stops the training after one of them, like a kill."""

    due = True  # type: ignore[assignment]

    def __init__(self, path: Path, stop: int | None = None) -> None:
        super().__init__(path)
        self.stop = stop

    def save(self, step: int, parameters, optimizer) -> None:  # type: ignore[no-untyped-def]
        super().save(step, parameters, optimizer)
        if step == self.stop:
            raise Stop
