"""The result of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Score:
    """The result of evaluating one architecture.

    A failed evaluation has a reason and no objectives. `correct` holds one bit per image of the search split
    (hexadecimal), for paired comparisons.
    """

    status: Literal["ok", "failed"]
    objectives: Mapping[str, float] = field(default_factory=dict)
    correct: str = ""
    seconds: float = 0.0
    weights: str = ""  # hash of the weights it was measured with
    protocol: str = ""  # hash of how it was measured
    reason: str = ""

    @classmethod
    def failed(cls, reason: str, seconds: float = 0.0) -> "Score":
        return cls("failed", reason=reason, seconds=seconds)
