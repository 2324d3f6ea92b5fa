"""Progress of long jobs; the caller decides where it is shown."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units of a stage, with figures of the last one."""

    stage: str  # "supernet", "search", "retrain"
    done: int
    total: int
    unit: str  # "steps"
    figures: str = ""  # "loss 0.213, 4,120 images/s"


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Show nothing."""
