"""A worker: one process of a cluster that holds an evaluator."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import NamedTuple
from uuid import uuid4

import ray

from evo_bnas import machine
from evo_bnas.archive.score import Score
from evo_bnas.evaluate.engine import Evaluator, evaluate
from evo_bnas.space.genes import Architecture

_PACKAGES = ("evo-bnas", "ray", "torch", "numpy", "numba")

Request = tuple[int, Architecture]  # the id of a proposal, and its architecture


class WorkerInfo(NamedTuple):
    """What a worker reports when it is ready."""

    node: str
    versions: dict[str, str]
    marker: str  # name of an empty file that it wrote into the folder, if it was given one

    def shares(self, folder: Path) -> bool:
        """Whether the worker wrote its marker into the folder that this process sees; removes the marker."""
        try:
            (folder / self.marker).unlink()
        except OSError:
            return False
        return True


class CallResult(NamedTuple):
    """The scores of one call."""

    scores: list[tuple[int, Score]]
    seconds: float


class Worker:
    """A Ray actor; its evaluator arrives once, through the object store of its node."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def info(self, folder: Path | None) -> WorkerInfo:
        """Called first: the answer shows that the worker is ready and, by a marker, which folder it sees."""
        marker = f".worker-{uuid4().hex}"
        if folder:
            with suppress(OSError):
                (folder / marker).touch()
        return WorkerInfo(node_name(), versions(), marker)

    def evaluate(self, batch: Sequence[Request]) -> CallResult:
        """Score architectures one after the other; the reason of a failed score names key and node."""
        begin = perf_counter()
        scores = [(id, self._evaluate(architecture)) for id, architecture in batch]
        return CallResult(scores, perf_counter() - begin)

    def _evaluate(self, architecture: Architecture) -> Score:
        score = evaluate(self._evaluator, architecture)
        if score.status == "ok":
            return score
        return Score.failed(f"{score.reason} ({architecture.key} on {node_name()})", score.seconds)


def node_name() -> str:
    """The name of this node in messages: its address, and an id since several nodes may share the address."""
    address = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return f"node {address} ({ray.get_runtime_context().get_node_id()[:8]})"


def versions() -> dict[str, str]:
    """Versions that must be the same in the driver and in every worker, or scores would not be comparable.

    The builds of a version for CPU and for GPU count as the same.
    """
    return {name: full.partition("+")[0] for name, full in machine.versions(_PACKAGES).items()}
