"""Objectives and scores: what a network is judged by, and what an evaluation returned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from evo_bnas.cost import Cost


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantity of a network; all are minimised."""

    unit: str
    meaning: str
    exact: bool  # counted from the blueprint before anything is paid for


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        "error": Objective("fraction", "top-1 error on the search split", exact=False),
        "ops": Objective("ops", "flops + bops / 64", exact=True),
        "bops": Objective("MACs", "MACs with 1-bit weight and 1-bit input", exact=True),
        "flops": Objective("MACs", "all other MACs", exact=True),
        "params": Objective("weights", "number of weights", exact=True),
        "size_bits": Objective("bits", "1 per binary weight, 8 or 32 per real one", exact=True),
        "peak_activation_bytes": Objective("bytes", "most memory live at once", exact=True),
        "latency_ms": Objective("ms", "of one image on one thread of this host", exact=False),
    }
)
EXACT = tuple(name for name, objective in OBJECTIVES.items() if objective.exact)


def exact_objectives(cost: Cost) -> dict[str, float]:
    """Every objective that needs no evaluation."""
    return {name: getattr(cost, name) for name in EXACT}


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
