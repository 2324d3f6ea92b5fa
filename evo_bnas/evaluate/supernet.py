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
from evo_bnas.data.dataset import Images, shared_tensor
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import Sliced, calibrate
from evo_bnas.supernet.supernet import Supernet


class SupernetEvaluator:
    """Calibrates a sub-network on fixed images, then measures its error on the search split.

    `latency` measures the latency of a blueprint in ms; it is given if that is an objective.
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
        self.search = search[:], search.y  # images normalised once for thousands of evaluations, and labels
        self.weights = weights
        self.protocol = protocol
        self._protocol_hash = protocol.hash
        self._latency = latency

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self.score(architecture) for architecture in architectures]

    def __getstate__(self) -> dict[str, Any]:
        """Arrays and small values: pickle (protocol 5) need not copy arrays, so processes can share them."""
        assert self._latency is None, "latency is measured in the process of the search"
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
        """Rebuild the evaluator over shared arrays; the process gets the threads of the protocol."""
        self.weights, self.protocol, self._latency = state["weights"], state["protocol"], None
        self._protocol_hash = self.protocol.hash
        torch.set_num_threads(self.protocol.threads)
        device = torch.device(self.protocol.device)
        name, definition = state["space"]
        with torch.device("meta"):  # no memory for weights that are replaced below
            self.supernet = Supernet(catalogue.build(name, definition, name))
        self.calibration = shared_tensor(state["calibration"]).to(device)
        images, labels = (shared_tensor(array).to(device) for array in state["search"])
        self.search = images, labels
        shared = {name: shared_tensor(array) for name, array in state["shared"].items()}
        self.supernet.load_state_dict(shared, assign=True)
        self.supernet.to(device)

    def score(self, architecture: Architecture) -> Score:
        """The score of one architecture."""
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
        return correctly_classified(partial(network, norm=statistics), *self.search, self.protocol.batch)


@torch.no_grad()
def correctly_classified(
    classify: Callable[[Tensor], Tensor], images: Sliced, labels: Tensor, batch: int
) -> Tensor:
    """Whether each image is classified correctly (images,), given a function from images to logits."""
    starts = range(0, len(labels), batch)
    predicted = [classify(images[start : start + batch]).argmax(1) for start in starts]
    return torch.cat(predicted) == labels


def error_of(correct: Tensor) -> float:
    """Top-1 error as a fraction."""
    return 1.0 - int(correct.sum()) / len(correct)


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()
