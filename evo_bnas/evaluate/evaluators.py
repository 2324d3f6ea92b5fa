"""Scores of sub-networks, read from the supernet."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from evo_bnas.blueprint import Blueprint
from evo_bnas.data.dataset import Images, over_shared
from evo_bnas.results.pick import pack_correct
from evo_bnas.score import Score, exact_objectives
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import Sliced, calibrate
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
        self.search = search[:], search.y  # normalised once, for thousands of evaluations
        self.weights = weights
        self.conditions = conditions
        self._protocol = conditions.hash
        self._latency = latency

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self._score(architecture) for architecture in architectures]

    def __getstate__(self) -> dict[str, Any]:
        """Arrays and JSON values: pickle can leave arrays where they are, for many processes to read."""
        assert self._latency is None, "latency is measured where the search runs"
        space = self.supernet.space
        return {
            "space": (space.name, space.definition()),
            "shared": {name: _array(tensor) for name, tensor in self.supernet.state_dict().items()},
            "calibration": _array(self.calibration),
            "search": [_array(tensor) for tensor in self.search],
            "weights": self.weights,
            "conditions": self.conditions,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """What arrives in another process, which gets the threads that a score is defined with."""
        self.weights, self.conditions, self._latency = state["weights"], state["conditions"], None
        self._protocol = self.conditions.hash
        torch.set_num_threads(self.conditions.threads)
        device = torch.device(self.conditions.device)
        name, definition = state["space"]
        with torch.device("meta"):  # no memory for weights that are there already
            self.supernet = Supernet(catalogue.build(name, definition, name))
        self.calibration = over_shared(state["calibration"]).to(device)
        images, labels = (over_shared(array).to(device) for array in state["search"])
        self.search = images, labels
        shared = {name: over_shared(array) for name, array in state["shared"].items()}
        self.supernet.load_state_dict(shared, assign=True)
        self.supernet.to(device)

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
        return classified(partial(network, norm=statistics), *self.search, self.conditions.batch)


@torch.no_grad()
def classified(classify: Callable[[Tensor], Tensor], images: Sliced, labels: Tensor, batch: int) -> Tensor:
    """Whether each image is classified correctly, (images,) bool."""
    starts = range(0, len(labels), batch)
    guesses = [classify(images[start : start + batch]).argmax(1) for start in starts]
    return torch.cat(guesses) == labels


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()


def error_of(correct: Tensor) -> float:
    """Top-1 error as a fraction."""
    return 1.0 - int(correct.sum()) / len(correct)
