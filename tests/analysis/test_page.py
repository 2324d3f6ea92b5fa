"""docs/measured.md shows what is stored in analysis/results, and no other measured number."""

import re
from pathlib import Path

import pytest

from analysis.shared import page
from analysis.shared import study as studies
from analysis.shared.result import RESULTS, Result

TEXT = page.PAGE.read_text(encoding="utf-8")


def test_the_page_equals_what_the_stored_results_render() -> None:
    assert page.rendered(TEXT) == TEXT, "run `make measured`"


def test_every_study_has_its_place_under_its_heading() -> None:
    assert sorted(page.places(TEXT)) == studies.names()
    for name in page.places(TEXT):
        before = TEXT[: TEXT.index(f"<!-- result: {name} -->")]
        heading = re.findall(r"^#+ (.+)$", before, re.MULTILINE)[-1]
        assert heading == studies.load(name).section


def test_every_picture_of_a_study_is_on_the_page() -> None:
    for name in studies.names():
        if picture := studies.load(name).picture:
            assert f"]({picture})" in TEXT


def test_prose_states_no_measured_number() -> None:
    assert re.findall(r"\d[\d.,]* ?(?:ms\b|s\b|minutes|[kMG]?B\b|points|times\b)", page.prose(TEXT)) == []


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_stored_results_are_small_and_belong_to_a_study(file: Path) -> None:
    assert file.stem in studies.names()
    assert file.stat().st_size < 30_000
    assert '"/' not in file.read_text()  # no path of a machine


def test_a_study_without_a_result_is_shown_as_not_measured_yet(tmp_path: Path) -> None:
    shown = page.section("utilisation", tmp_path)
    assert "Not measured yet" in shown
    assert "python -m analysis utilisation" in shown


def test_pictures_are_drawn_from_stored_results(tmp_path: Path) -> None:
    copy = tmp_path / "measured.md"
    copy.write_text(TEXT)
    drawn = [file.name for file in page.write(copy) if file != copy]
    measured = [name for name in studies.names() if Result.read(name)]
    expected = {studies.load(name).picture for name in measured} - {None}
    assert set(drawn) == expected
    assert all((tmp_path / name).stat().st_size > 10_000 for name in drawn)
