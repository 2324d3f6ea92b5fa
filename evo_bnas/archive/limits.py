"""Upper limits on objectives, in recipes and on the command line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator

from evo_bnas.errors import suggestion
from evo_bnas.network.objectives import OBJECTIVES
from evo_bnas.quantity import parse, show

COSTS = tuple(name for name in OBJECTIVES if name != "error")


def conditions(limits: Mapping[str, float]) -> str:
    """Limits as text, such as `ops ≤ 20,000 and size_bits ≤ 25 kB`; empty without limits."""
    return " and ".join(f"{name} ≤ {show(limit, OBJECTIVES[name].unit)}" for name, limit in limits.items())


def _reader(known: Sequence[str]) -> Callable[[object], object]:
    """A validator of limits on these objectives, which reads each value in the unit of its objective."""

    def read(limits: object) -> object:
        if not isinstance(limits, dict):
            return limits  # pydantic reports it
        values = {}
        for name, value in limits.items():
            if name in OBJECTIVES and name not in known:
                raise ValueError(
                    f"{name} is not a cost; choose from {', '.join(known)}, or set search.max_error"
                )
            if name not in OBJECTIVES:
                raise ValueError(f"unknown objective {name!r}; {suggestion(str(name), known)}")
            try:
                values[name] = parse(value, OBJECTIVES[name].unit)
            except ValueError as failure:
                raise ValueError(f"{name}: {failure}") from None
        return values

    return read


CostLimits = Annotated[dict[str, float], BeforeValidator(_reader(COSTS))]
Limits = Annotated[dict[str, float], BeforeValidator(_reader(tuple(OBJECTIVES)))]
