"""The terminal: tables, progress, quantities."""

import csv
import io
import json

import pytest

from evo_bnas.cli import console
from evo_bnas.progress import Progress


def test_a_table_aligns_numbers_right_and_text_left(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(["ops", "network"], [["1", "short"], ["12,345", "a longer one"]], left=["network"])
    header, first, second = capsys.readouterr().out.splitlines()
    assert first.index("1") == second.index("5")
    assert header.index("network") == first.index("short") == second.index("a longer")


def test_a_line_is_printed_without_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("[bold] stays, and a long line is not cut: " + "x" * 300)
    assert capsys.readouterr().out == "[bold] stays, and a long line is not cut: " + "x" * 300 + "\n"


def test_errors_warnings_and_progress_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.complain("wrong")
    console.warn("All networks guess.")
    with console.progress() as report:
        report(Progress("search", 3, 6, "evaluations", "hypervolume 0.5"))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "wrong",
        "warning: All networks guess.",
        "search: 3/6 evaluations, hypervolume 0.5",
    ]


def test_progress_prints_about_ten_lines_per_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress() as report:
        for done in range(1, 1001):
            report(Progress("train", done, 1000, "epochs"))
        report.finish()
        report(Progress("search", 1, 1, "evaluations"))
    lines = capsys.readouterr().err.splitlines()
    assert 10 <= len(lines) - 1 <= 11
    assert lines[-2].startswith("train: 1000/1000 epochs")
    assert lines[-1] == "search: 1/1 evaluations"


def test_csv_and_json_rows_can_be_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"key": "a", "ops": 1}, {"key": "b, c", "ops": 2}]
    console.print_csv(rows)
    assert list(csv.DictReader(io.StringIO(capsys.readouterr().out)))[1] == {"key": "b, c", "ops": "2"}
    console.print_json(rows)
    assert json.loads(capsys.readouterr().out) == rows


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("error", 0.05, "95.00 %"),
        ("ops", 19_968.0, "19,968"),
        ("size_bits", 80_000, "10 kB"),
        ("peak_activation_bytes", 8260, "8.26 kB"),
        ("error", None, "-"),
    ],
)
def test_objectives_are_shown_in_the_units_of_people(name: str, value: float | None, text: str) -> None:
    assert console.show_objective(name, value) == text
