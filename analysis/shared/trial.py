"""One search on a table of known scores, reduced to what is compared."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from evo_bnas.archive.journal import Journal
from evo_bnas.evaluate.engine import InProcess
from evo_bnas.evaluate.table import Table
from evo_bnas.search.explorer import Explorer
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.space.table import TableSpace


@dataclass(frozen=True, slots=True)
class Trial:
    """`keys` are the distinct architectures in the order in which they were first evaluated."""

    keys: tuple[str, ...]
    calls: int  # evaluations, repeated ones included
    distinct: int  # among these calls

    @classmethod
    def of(cls, calls: Sequence[str], evaluations: int) -> Self:
        """The trial of a search that evaluated these architectures, up to a number of distinct ones."""
        keys = tuple(dict.fromkeys(calls))
        return cls(keys[:evaluations], len(calls), len(keys))


def searched(
    problem: Problem, explorer: Explorer, space: TableSpace, evaluations: int, batch: int, seed: int
) -> Trial:
    """A search of this library by an explorer."""
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.jsonl", space) as journal:
        engine = InProcess(Table(space.scores))
        search(problem, explorer, engine, journal, evaluations=evaluations, batch=batch, seed=seed)
        return Trial.of([proposal.key for proposal, _ in journal.archive.scored], evaluations)
