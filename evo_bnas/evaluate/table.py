"""Scores looked up in a table: published benchmarks and tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evo_bnas.archive.score import Score
from evo_bnas.space import table
from evo_bnas.space.genes import Architecture
from evo_bnas.space.table import TableSpace


@dataclass(frozen=True)
class Table:
    """An evaluator that looks up objectives by key; raises KeyError for an unknown key."""

    objectives: Mapping[str, Mapping[str, float]]

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [Score("ok", objectives=self.objectives[a.key], protocol="table") for a in architectures]


def load_table(path: Path) -> tuple[TableSpace, Table]:
    """The space of a table file and the evaluator with its scores.

    Raises UsageError, with line and column, if the file is not a table.
    """
    space = table.load(path)
    return space, Table(space.scores)
