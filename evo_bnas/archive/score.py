"""What an evaluation returned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Score:
    """What an evaluation of one architecture returned.

    `objectives` is empty where the evaluation failed: a failure is a fact with a reason, never a number.
    `correct` holds one bit an image of the search split (hexadecimal), for paired comparisons.
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
