"""Scores of sub-networks, read from the supernet."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from evo_bnas.archive.correct import pack_correct
from evo_bnas.archive.score import Score
from evo_bnas.data.dataset import Images, over_shared
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import Sliced, calibrate
from evo_bnas.supernet.supernet import Supernet


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
        protocol: EvaluationProtocol,
        latency: Callable[[Blueprint], float] | None = None,
    ) -> None:
        self.supernet = supernet
        self.calibration = calibration
        self.search = search[:], search.y  # normalised once, for thousands of evaluations
        self.weights = weights
        self.protocol = protocol
        self._protocol_hash = protocol.hash
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
            "protocol": self.protocol,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """What arrives in another process, which gets the threads that a score is defined with."""
        self.weights, self.protocol, self._latency = state["weights"], state["protocol"], None
        self._protocol_hash = self.protocol.hash
        torch.set_num_threads(self.protocol.threads)
        device = torch.device(self.protocol.device)
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
            protocol=self._protocol_hash,
        )

    def _correct(self, architecture: Architecture) -> Tensor:
        """Whether each image of the search split is classified correctly, (images,) bool."""
        network = partial(self.supernet, architecture=architecture)
        statistics = calibrate(network, self.calibration, self.protocol.batch)
        return classified(partial(network, norm=statistics), *self.search, self.protocol.batch)


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
