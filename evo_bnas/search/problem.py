"""A search problem: a space, objectives to minimise, and limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.network.objectives import EXACT
from evo_bnas.space.genes import Architecture, GeneSpace

# Draws per sample. If none is within tight limits, one-gene moves lead from the last draw to within them.
_DRAWS = 20
# A search needs the costs of the same architectures in every round.
_CACHED_COSTS = 1 << 15


@dataclass(frozen=True)
class Problem:
    """A search problem; raises UsageError for unknown objectives and for limits that no network meets.

    Limits on exact costs hold for every proposal. A limit on a measured cost, which must be an objective, and
    `max_error` can only be checked after an evaluation: see `violation`.
    """

    space: GeneSpace
    objectives: tuple[str, ...]
    limits: Mapping[str, float] = field(default_factory=dict)
    max_error: float | None = None  # fraction
    # Scores of an earlier search of the space with other weights: training data for surrogates only.
    prior: Archive = field(default_factory=Archive, compare=False)
    # The worst value of each measured objective other than the error.
    worst: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = self.space.objectives
        where = "" if known == GeneSpace.objectives else f" in {self.space.name}"
        for name in self.objectives:
            if name not in known:
                raise UsageError(f"objective {name!r} is unknown{where}; {suggestion(name, known)}")
            if self.objectives.count(name) > 1:
                raise UsageError(f"objective {name!r} is named twice; name it once")
        if not self.objectives:
            raise UsageError(f"a search needs an objective; choose from {', '.join(known)}")
        costs = [name for name in known if name != "error"]
        for name, limit in self.limits.items():
            if name not in known:
                raise UsageError(f"limit {name!r} is unknown{where}; {suggestion(name, costs)}")
            if name == "error":
                raise UsageError("limit 'error': the error is not a cost; set max_error instead")
            if name not in (*EXACT, *self.objectives):
                raise UsageError(f"limit {name!r}: only measured if it is an objective; add it to these")
            if name not in EXACT and not limit > 0:
                raise UsageError(f"limit {name!r}: no network has {name} ≤ {limit:g}; set more than 0")
        self.space.check_limits(self.limits)

    @cached_property
    def measured_limits(self) -> dict[str, float]:
        """Limits on costs that only an evaluation tells."""
        return {name: limit for name, limit in self.limits.items() if name not in EXACT}

    @cached_property
    def _exact_limits(self) -> dict[str, float]:
        return {name: limit for name, limit in self.limits.items() if name in EXACT}

    @cached_property
    def sampling_cost(self) -> str:
        """The cost over which samples are spread: the first exact objective, or else of the space."""
        return next(name for name in (*self.objectives, *self.space.objectives) if name in EXACT)

    def costs(self, architecture: Architecture) -> dict[str, float]:
        """Every exact objective of an architecture; do not change it."""
        return self._costs(architecture)

    def feasible(self, architecture: Architecture) -> bool:
        """Whether an architecture is within the limits on exact costs."""
        return self._excess(architecture, self._exact_limits) == 0

    def points(self, scores: Sequence[Score]) -> np.ndarray:
        """Objectives of successful scores, (scores, objectives)."""
        rows = [[score.objectives[name] for name in self.objectives] for score in scores]
        return np.array(rows, dtype=float).reshape(len(rows), len(self.objectives))

    def violation(self, scores: Sequence[Score]) -> np.ndarray:
        """How far successful scores are beyond `max_error` and limits on measured costs, (scores,).

        In multiples of the limits, summed; 0 within all of them. See `dominance` for how it ranks.
        """
        error = {} if self.max_error is None else {"error": self.max_error}
        limits = self.measured_limits | error
        return np.array([excess(score.objectives, limits) for score in scores], dtype=float)

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Best and worst value of each objective over the whole space.

        The worst value of a limited measured cost is its limit, so networks beyond it add no hypervolume.
        """
        worst = {
            name: min(self.worst.get(name, limit), limit) for name, limit in self.measured_limits.items()
        }
        measured = {**self.worst, **worst}
        return {
            name: (0.0, measured[name]) if name in measured else self.space.bounds(name)
            for name in self.objectives
        }

    def smallest(self) -> Architecture:
        """The architecture of the fewest ops; if limits exclude it, the one closest to them."""
        return self._smallest

    def largest(self) -> Architecture:
        """The largest architecture within the limits: a greedy climb by one-gene moves from the smallest."""
        return self._largest

    @cached_property
    def _costs(self) -> Callable[[Architecture], dict[str, float]]:
        return lru_cache(_CACHED_COSTS)(self.space.costs)

    @cached_property
    def _smallest(self) -> Architecture:
        ends = [self.space.smallest(), *(self.space.cheapest(name) for name in self._exact_limits)]
        return min(ends, key=lambda end: self._excess(end, self._exact_limits))

    @cached_property
    def _largest(self) -> Architecture:
        largest = self.space.largest()
        if self.feasible(largest):
            return largest
        here = self.smallest()
        while True:
            moves = [move for move in self.space.neighbours(here) if self.feasible(move)]
            best = max([here, *moves], key=lambda move: self.costs(move)[self.sampling_cost])
            if best == here:
                return here
            here = best

    def sample(self, rng: np.random.Generator) -> Architecture:
        """An architecture within limits on exact costs, uniform over the cost rather than over the genes."""
        for _ in range(_DRAWS):
            draw = self.space.sample_cost_uniform(rng, self.sampling_cost)
            if self.feasible(draw):
                return draw
        # Down to a random share of the way, since samples would otherwise crowd at the limits.
        share = rng.random()
        least = self.costs(self.smallest())
        goals = {
            name: least[name] + share * (limit - least[name]) for name, limit in self._exact_limits.items()
        }
        return self._descend(draw, goals, rng)

    def repair(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """The architecture itself if it is within the limits on exact costs, else one near it that is."""
        return self._descend(architecture, self._exact_limits, rng)

    def _descend(
        self, here: Architecture, goals: Mapping[str, float], rng: np.random.Generator
    ) -> Architecture:
        """Walk by random one-gene moves, each closer to the goals, so that the walk ends."""
        excess = self._excess(here, goals)
        while excess > 0:
            moves = self.space.neighbours(here)
            for index in rng.permutation(len(moves)):
                closer = self._excess(moves[index], goals)
                if closer < excess:
                    here, excess = moves[index], closer
                    break
            else:
                return self.smallest()
        return here

    def _excess(self, architecture: Architecture, limits: Mapping[str, float]) -> float:
        return excess(self.costs(architecture), limits) if limits else 0.0


def excess(values: Mapping[str, float], limits: Mapping[str, float]) -> float:
    """How far values are beyond limits of 0 or more, in multiples of them and summed; 0 within all."""
    return sum(max(0.0, values[name] - limit) / (limit or 1.0) for name, limit in limits.items())
