"""How long one image takes on one thread of this host, for a whole network and node by node."""

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
from evo_bnas.packed.program import Memory, Program
from evo_bnas.packed.step import Floats

_WARM_UP = 3  # runs; the first one may compile kernels
_ROUND = 10  # runs between two looks at the spread
_LEAST_SECONDS = 0.1
_MOST_SECONDS = 1.0
_SPREAD = 0.05
_STEPWISE = 40  # runs that are timed step by step
_QUARTILE = 0.6745  # of the normal distribution, in standard deviations


@dataclass(frozen=True, slots=True)
class Latency:
    """The median time of a run, and how well it is known."""

    ms: float
    spread: float  # of the median's estimate: its interquartile range as a share of the median
    runs: int


@dataclass(frozen=True, slots=True)
class NodeTime:
    """What one node of a network takes."""

    name: str
    kind: str  # the program's operation, or "read in place" where a node needs no step of its own
    ms: float  # median
    share: float  # of the sum over all nodes


class LatencyMeter:
    """The latency of blueprints in ms, each shape measured once."""

    def __init__(self) -> None:
        self._known: dict[str, Latency] = {}

    def __call__(self, blueprint: Blueprint) -> float:
        return self.measure(blueprint).ms

    def measure(self, blueprint: Blueprint) -> Latency:
        """The latency of a blueprint, with any weights."""
        key = blueprint.shape_key
        if key not in self._known:
            self._known[key] = latency(program_of(blueprint))
        return self._known[key]


def program_of(blueprint: Blueprint) -> Program:
    """A program of the blueprint with fresh weights: what is trained has no say in how long it takes."""
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

    After a warm-up, runs are repeated for 0.1 s or more and until the middle half of the sampling
    distribution of the median is narrower than 5 % of it; but for no more than a second, which a busy
    machine may need. The distribution is read from the order statistics, as if runs were independent.
    """
    image = _image(program)
    return _repeated(lambda: program.run(image))


def node_times(blueprint: Blueprint, program: Program) -> list[NodeTime]:
    """What every node of a blueprint takes in its program, in execution order; steps are timed one by one.

    The sum lacks what a run spends besides its steps.
    """
    image, memory = _image(program), Memory(program.registers, 1)
    rows = []
    for _ in range(_WARM_UP + _STEPWISE):
        marks = [time.perf_counter()]
        for prepared in program.prepared:
            memory.perform(prepared, image)
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
            begin = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - begin)
        spent, spread = sum(seconds), _median_spread(seconds)
        if spent >= _MOST_SECONDS or (spent >= _LEAST_SECONDS and spread < _SPREAD):
            return Latency(1e3 * float(np.median(seconds)), spread, len(seconds))


def _median_spread(values: list[float]) -> float:
    """Interquartile range of the estimate of the median, as a share of it.

    The rank of the true median among n values has the standard deviation sqrt(n) / 2.
    """
    ordered, n = np.sort(values), len(values)
    reach = _QUARTILE * n**0.5 / 2
    low, high = floor(n / 2 - reach), ceil(n / 2 + reach)
    return float((ordered[min(high, n - 1)] - ordered[max(low, 0)]) / np.median(values))
