"""The latency of one image on one thread of this machine, for a whole network and node by node."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import torch

from evo_bnas.binary.weights import initial
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import norms, tensors
from evo_bnas.packed.compile import compile_blueprint
from evo_bnas.packed.program import Program, RegisterFile
from evo_bnas.packed.step import Floats

_WARM_UP = 3  # runs; the first one may compile kernels
_ROUND = 10  # runs between two checks of the spread
_MIN_SECONDS = 0.1
_MAX_SECONDS = 1.0
_MAX_SPREAD = 0.05
_STEPWISE = 40  # runs that are timed step by step
_QUARTILE = 0.6745  # of the normal distribution, in standard deviations


@dataclass(frozen=True, slots=True)
class Latency:
    """The median time of a run, and the precision of that estimate."""

    ms: float
    spread: float  # interquartile range of the estimated median, relative to the median
    runs: int


@dataclass(frozen=True, slots=True)
class NodeTime:
    """The time of one node of a network."""

    name: str
    kind: str  # the operation of its step, or "read in place" if it needs no step
    ms: float  # median
    share: float  # of the sum over all nodes


class LatencyMeter:
    """The latency of blueprints in ms; each shape is measured once."""

    def __init__(self) -> None:
        self._measured: dict[str, Latency] = {}

    def __call__(self, blueprint: Blueprint) -> float:
        return self.measure(blueprint).ms

    def measure(self, blueprint: Blueprint) -> Latency:
        """The latency of a blueprint, which does not depend on its weights."""
        key = blueprint.shape_key
        if key not in self._measured:
            self._measured[key] = latency(program_of(blueprint))
        return self._measured[key]


def program_of(blueprint: Blueprint) -> Program:
    """The program of a blueprint with initial weights, which takes as long as with trained ones."""
    generator = torch.Generator().manual_seed(0)
    moments = {"mean": 0.0, "var": 1.0}
    statistics = {
        f"{node.name}.{site}.{moment}": torch.full((channels,), value)
        for node in blueprint.nodes
        for site, channels in norms(node)
        for moment, value in moments.items()
    }
    return compile_blueprint(
        blueprint, lambda node: {spec.name: initial(spec, generator) for spec in tensors(node)}, statistics
    )


def latency(program: Program) -> Latency:
    """The median over runs of one image on one thread.

    After a warm-up, runs are repeated for at least 0.1 s and until `spread` is below 5 %, but for at most one
    second, which is reached on a busy machine.
    """
    image = _image(program)
    return _repeated(lambda: program.run(image))


def node_times(blueprint: Blueprint, program: Program) -> list[NodeTime]:
    """The time of every node of a blueprint in its program, in execution order.

    Steps are timed one by one, so the sum does not include the overhead of a run.
    """
    image, registers = _image(program), RegisterFile(program.registers, 1)
    rows = []
    for _ in range(_WARM_UP + _STEPWISE):
        marks = [time.perf_counter()]
        for prepared in program.prepared:
            registers.perform(prepared, image)
            marks.append(time.perf_counter())
        rows.append(np.diff(marks))
    medians = 1e3 * np.median(rows[_WARM_UP:], axis=0)
    steps = {step.name: (step.operation, ms) for step, ms in zip(program.steps, medians, strict=True)}
    total = medians.sum()
    timed = [(node.name, *steps.get(node.name, ("read in place", 0.0))) for node in blueprint.nodes]
    return [NodeTime(name, kind, float(ms), float(ms / total)) for name, kind, ms in timed]


def _image(program: Program) -> Floats:
    return np.random.default_rng(0).standard_normal((1, *program.image), dtype=np.float32)


def _repeated(run: Callable[[], object]) -> Latency:
    for _ in range(_WARM_UP):
        run()
    seconds: list[float] = []
    while True:
        for _ in range(_ROUND):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
        spent, spread = sum(seconds), median_spread(seconds)
        if spent >= _MAX_SECONDS or (spent >= _MIN_SECONDS and spread < _MAX_SPREAD):
            return Latency(1e3 * float(np.median(seconds)), spread, len(seconds))


def median_spread(values: list[float]) -> float:
    """The interquartile range of the estimated median of independent values, relative to the median.

    It is read from the order statistics: the rank of the true median among n values has the standard
    deviation sqrt(n) / 2.
    """
    ordered, n = np.sort(values), len(values)
    reach = _QUARTILE * n**0.5 / 2
    low, high = floor(n / 2 - reach), ceil(n / 2 + reach)
    return float((ordered[min(high, n - 1)] - ordered[max(low, 0)]) / np.median(values))
