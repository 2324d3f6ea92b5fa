"""The hypervolume that searches cover on a table of known scores, by distinct evaluations.

Objectives are scaled from their minimum to their maximum in the table, the reference point is 1 in each, and
the hypervolume is divided by that of the whole table. An evaluation counts when it is the first of its
architecture. Quartiles are over seeds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.shared.trial import Trial
from evo_bnas.archive.front import Hypervolume
from evo_bnas.search.problem import Problem
from evo_bnas.space.table import TableSpace

GOALS = (0.99, 0.999)  # of the hypervolume
_QUARTILES = (25, 50, 75)
_NEVER = 1e12  # finite, since a quartile between two infinities is undefined


class Curve:
    """The trials of one method, a seed each, and the fraction of the true hypervolume that each covers."""

    def __init__(self, trials: Sequence[Trial], problem: Problem, space: TableSpace) -> None:
        self.trials = trials
        whole = true_hypervolume(problem, space)
        # Of different lengths if a method runs out of new architectures.
        self._fractions = [np.array(_trace(problem, space, trial.keys)) / whole for trial in trials]

    def until(self, goal: float) -> list[float | None]:
        """Distinct evaluations up to a fraction of the hypervolume: quartiles, None for one not reached."""
        needed = [
            float(np.argmax(fraction >= goal) + 1) if fraction.max() >= goal else _NEVER
            for fraction in self._fractions
        ]
        longest = max(len(fraction) for fraction in self._fractions)
        return [float(value) if value <= longest else None for value in np.percentile(needed, _QUARTILES)]

    def after(self, evaluations: int) -> list[float]:
        """Quartiles of the fraction after a number of distinct evaluations, or after the last one."""
        at = [fraction[min(evaluations, len(fraction)) - 1] for fraction in self._fractions]
        return [float(value) for value in np.percentile(at, _QUARTILES)]

    def figures(self, evaluations: int) -> dict[str, Any]:
        """What is stored of the method."""
        return {
            "seeds": len(self.trials),
            "evaluations": evaluations,
            "until": {str(goal): self.until(goal) for goal in GOALS},
            "covered": self.after(evaluations),
            "calls_per_distinct": sum(t.calls for t in self.trials) / sum(t.distinct for t in self.trials),
        }


def until_cells(figures: dict[str, Any]) -> list[str]:
    """The stored evaluations to each goal, as cells of a table."""
    beyond = f"> {figures['evaluations']}"
    cells = []
    for low, median, high in figures["until"].values():
        ends = " to ".join(beyond if end is None else f"{end:.0f}" for end in (low, high))
        cells.append(beyond if median is None else f"{median:g} ({ends})")
    return cells


def true_hypervolume(problem: Problem, space: TableSpace) -> float:
    """The hypervolume of the whole table."""
    return _trace(problem, space, list(space.scores))[-1]


def _trace(problem: Problem, space: TableSpace, keys: Sequence[str]) -> list[float]:
    volume = Hypervolume(problem.objectives, problem.bounds())
    for key in keys:
        volume.add(space.scores[key])
    return volume.trace
