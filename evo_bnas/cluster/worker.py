"""What runs in a slot of the cluster: one process that holds an evaluator."""

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import NamedTuple
from uuid import uuid4

import ray

from evo_bnas.archive.score import Score
from evo_bnas.evaluate.engine import Evaluator, evaluate
from evo_bnas.space.genes import Architecture

_PACKAGES = ("evo-bnas", "torch", "numpy", "numba")

Item = tuple[int, Architecture]  # with the id of its proposal


class Hello(NamedTuple):
    """Who a worker is."""

    node: str
    versions: dict[str, str]
    trace: str  # name of an empty file that it left in the folder it was asked to

    def left_in(self, folder: Path) -> bool:
        """Whether the folder that the worker sees is this one; removes the trace."""
        try:
            (folder / self.trace).unlink()
        except OSError:
            return False
        return True


class Answer(NamedTuple):
    """What came of one call."""

    scores: list[tuple[int, Score]]
    seconds: float


class Worker:
    """An actor: its evaluator arrives once, through the object store of its node."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def hello(self, folder: Path | None) -> Hello:
        """Answered when the worker is ready, with a trace in the folder that it shall share."""
        trace = f".worker-{uuid4().hex}"
        if folder:
            with suppress(OSError):
                (folder / trace).touch()
        return Hello(node_name(), versions(), trace)

    def evaluate(self, batch: Sequence[Item]) -> Answer:
        """Score architectures, one after the other; what fails is a failed score that names the node."""
        begin = perf_counter()
        scores = [(id, self._named(evaluate(self._evaluator, network), network)) for id, network in batch]
        return Answer(scores, perf_counter() - begin)

    def _named(self, score: Score, architecture: Architecture) -> Score:
        if score.status == "ok":
            return score
        return Score.failed(f"{score.reason} ({architecture.key} on {node_name()})", score.seconds)


def _address() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


def node_name() -> str:
    """This node for a person: several may share one address."""
    return f"node {_address()} ({ray.get_runtime_context().get_node_id()[:8]})"


def versions() -> dict[str, str]:
    """What has to be the same in the driver and in every worker, or scores would not be comparable.

    Of packages it names those that are installed; builds for a CPU and for a GPU are one version.
    """
    found = {"Python": platform.python_version(), "Ray": ray.__version__}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package).partition("+")[0]
    return found
