"""Quantities as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from evo_bnas.quantity import Real, Whole, parse, show


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("20k", "ops", 20_000),
        ("5M", "", 5e6),
        ("1.5G", "", 1.5e9),
        ("1e-3", "", 1e-3),
        ("2.5E6", "", 2.5e6),
        (".5", "", 0.5),
        ("1/3", "", 1 / 3),
        ("1%", "fraction", 0.01),
        (" 7 ", "", 7),
        ("20 k", "", 20_000),
        ("200kB", "bits", 1_600_000),
        ("200kB", "bytes", 200_000),
        ("8Mbit", "bits", 8e6),
        ("8bit", "bytes", 1),
        ("512", "bits", 512),
    ],
)
def test_quantities_are_parsed(text: str, unit: str, value: float) -> None:
    assert parse(text, unit) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "is not a quantity"),
        ("many", "'many' is not a quantity; write it like 20000, 20k"),
        ("20K", "is not a quantity"),
        ("20kk", "is not a quantity"),
        ("1/0", "divides by zero"),
        ("1/2/3", "is not a quantity"),
        ("20kB", "has the unit B"),
        (True, "True is not a quantity"),
        (None, "None is not a quantity"),
        ([1], "is not a quantity"),
        (math.inf, "inf is not a finite number"),
        (math.nan, "nan is not a finite number"),
        ("1e999", "is not a finite number"),
        (10**400, "is not a finite number"),
    ],
)
def test_other_values_are_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(value, "ops")


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_numbers_and_their_text_are_parsed_unchanged(number: float) -> None:
    assert parse(number) == number
    assert parse(repr(number)) == number


@given(st.integers(-(10**9), 10**9), st.sampled_from([("k", 10**3), ("M", 10**6), ("G", 10**9)]))
def test_prefixes_multiply(number: int, prefix: tuple[str, int]) -> None:
    letter, factor = prefix
    assert parse(f"{number}{letter}") == number * factor


@given(st.integers(0, 10**9))
def test_a_byte_is_eight_bits(number: int) -> None:
    assert parse(f"{number}B", "bits") == number * 8
    assert parse(f"{8 * number}bit", "bytes") == number


@given(st.text(max_size=8))
def test_any_text_is_a_finite_number_or_refused(text: str) -> None:
    try:
        number = parse(text, "bits")
    except ValueError:
        return
    assert math.isfinite(number)


def test_settings_parse_quantities() -> None:
    assert TypeAdapter(Real).validate_python("2k") == 2000
    assert TypeAdapter(Whole).validate_python("2k") == 2000
    assert TypeAdapter(Whole).validate_python(2.0) == 2
    for value in ("2.5", math.inf, "x"):
        with pytest.raises(ValidationError):
            TypeAdapter(Whole).validate_python(value)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (19_968, "ops", "19,968"),
        (0.0125, "fraction", "0.0125"),
        (1_048_000, "bits", "131 kB"),
        (999_700, "bytes", "1,000 kB"),
        (28_253_184, "bits", "3.53 MB"),
        (400, "bits", "50 B"),
        (2.5e9, "bytes", "2,500 MB"),
    ],
)
def test_quantities_are_shown_for_people(value: float, unit: str, text: str) -> None:
    assert show(value, unit) == text
