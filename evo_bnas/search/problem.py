"""What is asked of a search: a space, objectives to minimise, limits on costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.network.objectives import EXACT
from evo_bnas.space.genes import Architecture, GeneSpace

# Tilted draws for one sample. Under limits so tight that none is feasible, the last one walks down to them.
_DRAWS = 20


@dataclass(frozen=True)
class Problem:
    """A search problem; raises UsageError where it asks for what does not exist.

    Limits on exact costs hold for whatever is proposed. A limit on a measured cost, which has to be an
    objective, is known to be broken after that was paid for, and so is `max_error`: see `acceptable`.
    """

    space: GeneSpace
    objectives: tuple[str, ...]
    limits: Mapping[str, float] = field(default_factory=dict)
    max_error: float | None = None  # fraction
    # Scores of an earlier search of the space with other weights: they may train a surrogate, no more.
    prior: Archive = field(default_factory=Archive, compare=False)
    # Of measured objectives other than the error: what counts as the worst value.
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
                raise UsageError(f"limit {name!r} is no objective{where}; {suggestion(name, costs)}")
            if name == "error":
                raise UsageError("limit 'error': an error is no cost; say max_error")
            if name not in (*EXACT, *self.objectives):
                raise UsageError(f"limit {name!r}: is measured only as an objective; add it to these")
            if name not in EXACT and not limit > 0:
                raise UsageError(f"limit {name!r}: no network has {name} ≤ {limit:g}; allow more than 0")
        self.space.check_limits(self.limits)

    @cached_property
    def measured_limits(self) -> dict[str, float]:
        """Those that no network is known to keep to before it was measured."""
        return {name: limit for name, limit in self.limits.items() if name not in EXACT}

    @cached_property
    def _exact_limits(self) -> dict[str, float]:
        return {name: limit for name, limit in self.limits.items() if name in EXACT}

    @property
    def sampling_cost(self) -> str:
        """The cost over which samples are spread: the first exact objective asked for, or of the space."""
        return next(name for name in (*self.objectives, *self.space.objectives) if name in EXACT)

    def costs(self, architecture: Architecture) -> dict[str, float]:
        """Every exact objective of an architecture."""
        return self.space.costs(architecture)

    def feasible(self, architecture: Architecture) -> bool:
        """Whether it keeps to the limits on exact costs."""
        return self._excess(architecture, self._exact_limits) == 0

    def acceptable(self, score: Score) -> bool:
        """Whether a successful score keeps to the greatest error and to the limits on measured costs.

        What does not comes after all that do.
        """
        return self.violation(score) == 0

    def violation(self, score: Score) -> float:
        """How far a successful score is from acceptable, in multiples of what is allowed and summed."""
        error = {} if self.max_error is None else {"error": self.max_error}
        return excess(score.objectives, self.measured_limits | error)

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Best and worst value of each objective over the whole space.

        A measured cost is at its worst where its limit is, so nothing beyond adds to a hypervolume.
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
        """The architecture of the fewest ops; where limits exclude that, the one that best keeps to them."""
        return self._smallest

    def largest(self) -> Architecture:
        """The dearest architecture within the limits that one-gene moves, the dearest first, lead up to."""
        return self._largest

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
            dearest = max([here, *moves], key=lambda move: self.costs(move)[self.sampling_cost])
            if dearest == here:
                return here
            here = dearest

    def sample(self, rng: np.random.Generator) -> Architecture:
        """An architecture within limits on exact costs, spread over the cost and not over the genes."""
        for _ in range(_DRAWS):
            draw = self.space.sample_cost_uniform(rng, self.sampling_cost)
            if self.feasible(draw):
                return draw
        # Down to a random share of the way, or such samples would crowd under the limits.
        share = rng.random()
        least = self.costs(self.smallest())
        goals = {
            name: least[name] + share * (limit - least[name]) for name, limit in self._exact_limits.items()
        }
        return self._descend(draw, goals, rng)

    def repair(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """The architecture itself where it keeps to the limits on exact costs, else one near it that does."""
        return self._descend(architecture, self._exact_limits, rng)

    def _descend(
        self, here: Architecture, goals: Mapping[str, float], rng: np.random.Generator
    ) -> Architecture:
        """Walk by random one-gene moves, each of which comes nearer to the goals; so the walk ends."""
        excess = self._excess(here, goals)
        while excess > 0:
            moves = self.space.neighbours(here)
            for index in rng.permutation(len(moves)):
                nearer = self._excess(moves[index], goals)
                if nearer < excess:
                    here, excess = moves[index], nearer
                    break
            else:
                return self.smallest()
        return here

    def _excess(self, architecture: Architecture, limits: Mapping[str, float]) -> float:
        return excess(self.costs(architecture), limits)


def excess(values: Mapping[str, float], limits: Mapping[str, float]) -> float:
    """How far values are beyond limits of 0 or more, in multiples of them and summed; 0 within all."""
    return sum(max(0.0, values[name] - limit) / (limit or 1.0) for name, limit in limits.items())
