"""Quantities as people write them: 20k, 5M, 1e-3, 1/3, 5%, 200kB, 2ms. YAML reads most of them as text."""

import re
from collections.abc import Mapping
from math import inf, isfinite
from sys import float_info
from typing import Annotated

from pydantic import BeforeValidator, Field

_PREFIX = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"({_NUMBER})(?:/({_NUMBER}))?\s*([^\W\d_]*%?)")
_BITS_PER_BYTE = 8

_BYTES = {
    "B": 1.0,
    **{f"{prefix}B": factor for prefix, factor in _PREFIX.items() if prefix},
    "KB": 1e3,  # common, and not ambiguous
    **{f"{prefix}iB": 1024.0**power for power, prefix in enumerate("KMG", 1)},
    **{f"{prefix}bit": factor / _BITS_PER_BYTE for prefix, factor in _PREFIX.items()},
}
_COUNTS = _PREFIX | {"K": 1e3}
_NONE = {"": 1.0}
_MICROSECONDS = ("\N{MICRO SIGN}s", "\N{GREEK SMALL LETTER MU}s")  # they look alike
# The suffixes that a unit takes, and what each is worth in the unit; other units take those of counts.
_SUFFIXES: dict[str, dict[str, float]] = {
    "": _COUNTS | {"%": 1e-2},
    "bits": _PREFIX | {suffix: factor * _BITS_PER_BYTE for suffix, factor in _BYTES.items()},
    "bytes": _PREFIX | _BYTES,
    "ms": _NONE | {"ms": 1.0, "s": 1e3, "us": 1e-3, **dict.fromkeys(_MICROSECONDS, 1e-3)},
    "fraction": _NONE | {"%": 1e-2},
}
# Suffixes of which one is meant by a number without, by unit.
_AMBIGUOUS = {"bits": ("B", "bit"), "bytes": ("B", "bit"), "ms": ("ms", "s")}


def parse(value: object, unit: str = "") -> float:
    """A number in a unit, from a number or from text such as `20k`, `1e-3`, `1/3`, `5%`, `20KiB`, `2ms`.

    Units are those of objectives. Sizes take the suffixes of bytes and of bits, milliseconds those of time,
    and numbers without a unit may also end in %. Raises ValueError for anything else, and for a fraction of
    1 or more without %, which is meant as a percentage.
    """
    number = _number(value, _SUFFIXES.get(unit, _COUNTS), unit)
    if not isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    if unit == "fraction" and number >= 1 and "%" not in str(value):
        raise ValueError(f"{value!r} is {100 * number:g} %; write {str(value).strip()}% for percent")
    return number


def parse_option(text: str, unit: str = "") -> float:
    """The same for the text of an option whose name does not say the unit.

    Raises ValueError also for a number that needs its unit, such as a size of 100000.
    """
    number = parse(text, unit)
    match = _QUANTITY.fullmatch(text.strip())
    if unit in _AMBIGUOUS and match and match[3] in _PREFIX:
        first, second = _AMBIGUOUS[unit]
        bare = text.strip()
        raise ValueError(f"{text!r} has no unit; write {bare}{first} or {bare}{second}")
    return number


def _number(value: object, suffixes: Mapping[str, float], unit: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) <= float_info.max else inf
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a quantity; write it like 20000, 20k, 5M, 1e-3 or 1/3")
    number, divisor, suffix = match.groups()
    if divisor is not None and float(divisor) == 0:
        raise ValueError(f"{value!r} divides by zero")
    if suffix not in suffixes:
        known = ", ".join(filter(None, suffixes))
        raise ValueError(f"{value!r}: unknown suffix {suffix}; {unit or 'a number'} can end in {known}")
    return float(number) / float(divisor or 1) * suffixes[suffix]


def _whole(value: object) -> int:
    number = parse(value)
    if number != int(number):
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


Real = Annotated[float, BeforeValidator(parse)]
Whole = Annotated[int, BeforeValidator(_whole)]

Fraction = Annotated[float, BeforeValidator(lambda value: parse(value, "fraction"))]
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
