"""One search on a table of known answers, reduced to what is compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Trial:
    """`keys` are the distinct architectures in the order in which they were first evaluated."""

    keys: tuple[str, ...]
    calls: int  # evaluations, repeated ones included
    distinct: int  # among these calls
    seconds: float  # of the search itself; a look into a table takes none

    @classmethod
    def of(cls, calls: Sequence[str], evaluations: int, seconds: float) -> Self:
        """The trial of a search that evaluated these architectures, up to so many distinct ones."""
        keys = tuple(dict.fromkeys(calls))
        return cls(keys[:evaluations], len(calls), len(keys), seconds)
