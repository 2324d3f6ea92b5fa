"""Training of a supernet in one of several ways, for a given CPU time, and its errors afterwards."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from analysis.shared.weight_sharing import SHARINGS
from evo_bnas.binary.execute import Mode
from evo_bnas.binary.network import Network
from evo_bnas.binary.sign import SignGradient
from evo_bnas.binary.weights import Weights
from evo_bnas.data.dataset import Dataset, load
from evo_bnas.data.settings import DataSettings
from evo_bnas.evaluate.supernet import correctly_classified, error_of
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

SPACE = "tiny-8"

_BATCH, _LR = 64, 5e-3  # of training, as in the recipe digits
_SCORED_BATCH = 128
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


def train(way: Way, calibrations: Sequence[int], seed: int, seconds: float, scratch: Path) -> dict[str, Any]:
    """Train a supernet for about this CPU time; its error of every network by calibration images and key."""
    dataset = load(DataSettings(name="digits"), seed=0)
    space = catalogue.load(SPACE).fit(dataset.image, len(dataset.classes))
    supernet = SHARINGS[way.sharing](space, torch_seed(seed, Stream.WEIGHTS))
    teacher = _teacher(way, space, dataset, scratch)
    epochs = _epochs(way, space, dataset, teacher, seconds * way.budget, scratch)
    real = round(epochs * way.real_share)
    stages: tuple[tuple[Weights, int], ...] = (("real", real), ("binary", epochs - real))
    for weights, share in stages:
        if share:
            _train(way, supernet, dataset, teacher, _stage(way, weights, share, seed), scratch)
    networks = list(space.enumerate())
    return {
        "epochs": epochs,
        "errors": {
            str(images): _errors(supernet, networks, dataset, seed, images) for images in calibrations
        },
    }


def _epochs(way: Way, space: Space, dataset: Dataset, teacher: Teacher, seconds: float, scratch: Path) -> int:
    """How many epochs fit, judged by a few epochs of another supernet once everything is loaded."""
    trial = SHARINGS[way.sharing](space, 0)
    _train(way, trial, dataset, teacher, _stage(way, "binary", 1, 0), scratch)
    started = time.process_time()
    _train(way, trial, dataset, teacher, _stage(way, "binary", _TRIAL_EPOCHS, 1), scratch)
    return max(round(seconds * _TRIAL_EPOCHS / (time.process_time() - started)), 1)


def _train(
    way: Way,
    supernet: Supernet,
    dataset: Dataset,
    teacher: Teacher,
    stage: TrainingStage,
    scratch: Path,
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
    train_network(network, dataset.train, _stage(Way(), "real", _TEACHER_EPOCHS, 0), checkpoint=checkpoint)
    checkpoint.remove()
    network.set_statistics(calibrate(partial(network.run, mode=Mode("real")), dataset.train, _SCORED_BATCH))
    network.eval()
    return NetworkTeacher(network, Mode("real"))


def _stage(way: Way, weights: Weights, epochs: int, seed: int) -> TrainingStage:
    settings = TrainingSettings(epochs=epochs, real_epochs=epochs, batch=_BATCH, lr=_LR)
    return TrainingStage("supernet", settings, seed, mode=Mode(weights, way.sign_gradient))


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
            correctly_classified(
                partial(own, norm=statistics), dataset.search, dataset.search.y, _SCORED_BATCH
            )
        )

    return {network.key: error(network) for network in networks}
