"""Quantities as people write them: 20k, 5M, 1e-3, 1/3, 200kB. YAML reads most of them as text."""

import re
from math import inf, isfinite
from sys import float_info
from typing import Annotated

from pydantic import BeforeValidator, Field

_PREFIX = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"({_NUMBER})(?:/({_NUMBER}))?\s*(k|M|G)?(bit|B|%)?")
_BITS_PER_BYTE = 8


def parse(value: object, unit: str = "") -> float:
    """A number from a number or from text such as `20k`, `1e-3`, `1/3`, `5%`.

    If `unit` is "bits" or "bytes", the text may end in `B` or `bit` and is converted. Raises ValueError for
    anything else.
    """
    number = _number(value, unit)
    if not isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _number(value: object, unit: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) <= float_info.max else inf
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a quantity; write it like 20000, 20k, 5M, 1e-3 or 1/3")
    number, divisor, prefix, suffix = match.groups()
    if divisor is not None and float(divisor) == 0:
        raise ValueError(f"{value!r} divides by zero")
    result = float(number) / float(divisor or 1) * _PREFIX[prefix or ""]
    if suffix == "%":
        return result / 100
    if suffix and unit not in ("bits", "bytes"):
        raise ValueError(f"{value!r} has the unit {suffix}, but needs a plain number")
    if suffix == "B" and unit == "bits":
        return result * _BITS_PER_BYTE
    if suffix == "bit" and unit == "bytes":
        return result / _BITS_PER_BYTE
    return result


def _whole(value: object) -> int:
    number = parse(value)
    if number != int(number):
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


Real = Annotated[float, BeforeValidator(parse)]
Whole = Annotated[int, BeforeValidator(_whole)]

Positive = Annotated[Real, Field(gt=0)]
NotNegative = Annotated[Real, Field(ge=0)]
Share = Annotated[Real, Field(ge=0, le=1)]
Count = Annotated[Whole, Field(ge=1)]
Amount = Annotated[Whole, Field(ge=0)]


def show(value: float, unit: str = "") -> str:
    """A quantity for people: 19,968 or 131 kB; bits are printed as bytes."""
    if unit in ("bits", "bytes"):
        size = value / _BITS_PER_BYTE if unit == "bits" else value
        for prefix, factor in (("M", 1e6), ("k", 1e3)):
            if size >= factor:
                scaled = size / factor
                return f"{scaled:,.0f} {prefix}B" if scaled >= 999.5 else f"{scaled:.3g} {prefix}B"
        return f"{size:.0f} B"
    return f"{value:,.0f}" if float(value) == int(value) else f"{value:,.4g}"


def brief(value: float) -> str:
    """A number in three digits, for narrow places: 87.1M."""
    rounded = float(f"{value:.3g}")
    for prefix, factor in reversed(_PREFIX.items()):
        if abs(rounded) >= factor:
            return f"{rounded / factor:.3g}{prefix}"
    return f"{rounded:.3g}"
