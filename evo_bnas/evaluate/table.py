"""Scores that are known beforehand: published benchmark tables, and tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evo_bnas.score import Score
from evo_bnas.space.genes import Architecture


@dataclass(frozen=True)
class Table:
    """An evaluator that looks objectives up by an architecture's key; raises KeyError for an unknown one."""

    objectives: Mapping[str, Mapping[str, float]]

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [Score("ok", objectives=self.objectives[a.key], protocol="table") for a in architectures]
