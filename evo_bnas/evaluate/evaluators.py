"""Scores of sub-networks, read from the supernet."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256

import torch
from torch import Tensor

from evo_bnas.blueprint import Blueprint
from evo_bnas.data import Images
from evo_bnas.results.pick import pack_correct
from evo_bnas.score import Score, exact_objectives
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet


@dataclass(frozen=True, slots=True)
class Conditions:
    """Everything besides weights and genes that a score depends on."""

    data: str  # fingerprint of pixels, labels and split
    images: int  # scored
    calibration: str  # hash of the calibration images
    batch: int  # one size for calibration and scoring: sums round by it
    threads: int
    device: str
    precision: str = "float32"
    backend: str = "torch"
    version: int = 1  # raised when the code measures differently
    host: str = ""  # the processor, where latency is measured

    @property
    def hash(self) -> str:
        """The protocol hash that every score carries."""
        stated = {name: value for name, value in asdict(self).items() if value != ""}
        return sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:16]


class SupernetEvaluator:
    """Calibrates a sub-network on fixed images, then counts its errors on the search split.

    `latency` gives the latency of a blueprint in ms, where that is an objective.
    """

    def __init__(
        self,
        supernet: Supernet,
        *,
        calibration: Tensor,
        search: Images,
        weights: str,
        conditions: Conditions,
        latency: Callable[[Blueprint], float] | None = None,
    ) -> None:
        self.supernet = supernet
        self.calibration = calibration
        self.search = search
        self.weights = weights
        self.conditions = conditions
        self._protocol = conditions.hash
        self._latency = latency

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self._score(architecture) for architecture in architectures]

    def _score(self, architecture: Architecture) -> Score:
        started = time.perf_counter()
        correct = self._correct(architecture)
        space = self.supernet.space
        measured = {"error": error_of(correct)}
        if self._latency is not None:
            measured["latency_ms"] = self._latency(space.draw(architecture))
        return Score(
            "ok",
            {**measured, **exact_objectives(space.cost(architecture))},
            correct=pack_correct(correct.cpu().numpy()),
            seconds=time.perf_counter() - started,
            weights=self.weights,
            protocol=self._protocol,
        )

    def _correct(self, architecture: Architecture) -> Tensor:
        """Whether each image of the search split is classified correctly, (images,) bool."""
        network = partial(self.supernet, architecture=architecture)
        statistics = calibrate(network, self.calibration, self.conditions.batch)
        return classified(partial(network, norm=statistics), self.search, self.conditions.batch)


@torch.no_grad()
def classified(classify: Callable[[Tensor], Tensor], images: Images, batch: int) -> Tensor:
    """Whether each image is classified correctly, (images,) bool."""
    guesses = [classify(part).argmax(1) for part in images.x.split(batch)]
    return torch.cat(guesses) == images.y


def error_of(correct: Tensor) -> float:
    """Top-1 error as a fraction."""
    return 1.0 - int(correct.sum()) / len(correct)
