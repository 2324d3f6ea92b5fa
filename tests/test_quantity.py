"""Quantities as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from evo_bnas.quantity import Fraction, Real, Whole, parse, parse_option, show
from tests.support.refusals import refused


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("20k", "ops", 20_000),
        ("20K", "ops", 20_000),
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
        ("200KB", "bytes", 200_000),
        ("20KiB", "bytes", 20_480),
        ("2MiB", "bits", 2 * 8 * 2**20),
        ("1.5GB", "bytes", 1.5e9),
        ("8Mbit", "bits", 8e6),
        ("8bit", "bytes", 1),
        ("512", "bits", 512),
        ("512", "bytes", 512),
        ("2ms", "ms", 2),
        ("0.5s", "ms", 500),
        ("500us", "ms", 0.5),
        ("500\N{MICRO SIGN}s", "ms", 0.5),
        ("500\N{GREEK SMALL LETTER MU}s", "ms", 0.5),
        ("500 µs", "ms", 0.5),
        ("0.2", "ms", 0.2),
        ("5%", "", 0.05),
        ("100%", "fraction", 1),
        ("150%", "fraction", 1.5),
    ],
)
def test_quantities_are_parsed(text: str, unit: str, value: float) -> None:
    assert parse(text, unit) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("2ms", "ops"),
        ("20kB", "ops"),
        ("20%", "ops"),
        ("20kk", "ops"),
        ("20m", "ops"),
        ("2kB", "ms"),
        ("2k", "ms"),
        ("2m", "ms"),
        ("2s", "bits"),
        ("2kib", "bytes"),
        ("2k", "fraction"),
        ("2ms", ""),
    ],
)
def test_a_suffix_of_another_unit_is_refused_with_those_of_this_one(text: str, unit: str) -> None:
    known = {"ops": "k, M", "ms": "ms, s", "bits": "kB", "bytes": "KiB", "fraction": "%", "": "k, M"}
    with refused(ValueError, f"'{text}'", known[unit]):
        parse(text, unit)


@pytest.mark.parametrize("value", [1, "1", 5.0, " 5 "])
def test_a_fraction_of_1_or_more_without_percent_is_refused_with_what_is_meant(value: object) -> None:
    with refused(ValueError, repr(value), f"{str(value).strip()}%"):
        parse(value, "fraction")
    with pytest.raises(ValidationError, match=f"{str(value).strip()}%"):
        TypeAdapter(Fraction).validate_python(value)


@pytest.mark.parametrize(
    ("text", "unit", "ways_out"),
    [
        ("100000", "bits", ("100000B", "100000bit")),
        ("100k", "bytes", ("100kB", "100kbit")),
        ("2", "ms", ("2ms", "2s")),
    ],
)
def test_an_option_with_a_size_or_a_time_needs_its_unit(
    text: str, unit: str, ways_out: tuple[str, ...]
) -> None:
    with refused(ValueError, f"'{text}'", *ways_out):
        parse_option(text, unit)
    for complete in ways_out:
        assert parse_option(complete, unit) == parse(complete, unit)
    assert parse(text, unit) == parse(text.replace("k", "000"), unit), "a recipe names the unit in its key"


@pytest.mark.parametrize("unit", ["ops", "", "fraction"])
def test_an_option_without_units_needs_none(unit: str) -> None:
    assert parse_option("0.02", unit) == 0.02


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "is not a quantity"),
        ("many", "'many' is not a quantity; write it like 20000, 20k"),
        ("20_000", "is not a quantity"),
        ("20k M", "is not a quantity"),
        ("1/0", "divides by zero"),
        ("1/2/3", "is not a quantity"),
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


@given(
    st.integers(0, 10**6), st.sampled_from(["B", "kB", "KB", "KiB", "MB", "MiB", "GB", "GiB", "bit", "kbit"])
)
def test_a_size_is_the_same_in_bits_and_in_bytes(number: int, suffix: str) -> None:
    assert parse(f"{number}{suffix}", "bits") == pytest.approx(8 * parse(f"{number}{suffix}", "bytes"))


@given(st.text(max_size=8), st.sampled_from(["bits", "bytes", "ms", "fraction", "ops", ""]))
def test_any_text_is_a_finite_number_or_refused(text: str, unit: str) -> None:
    for read in (parse, parse_option):
        try:
            number = read(text, unit)
        except ValueError:
            continue
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
