"""What a person sees: tables, lines, progress. Results go to stdout, errors and progress to stderr."""

import csv
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from evo_bnas.progress import Progress, Report
from evo_bnas.quantity import show
from evo_bnas.score import OBJECTIVES

# Where the output is no terminal, nothing is cut to a width and nothing is drawn over.
_WIDE = 10_000
_LINES_PER_STAGE = 10

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
err = Console(highlight=False, soft_wrap=True, stderr=True, width=None if sys.stderr.isatty() else _WIDE)


def say(text: str = "") -> None:
    """One line for a person, word by word."""
    out.print(text, markup=False)


def print_next(what: str, command: str) -> None:
    """The command to type next, in the last line."""
    say(f"\nnext, {what}: {command}")


def complain(text: str) -> None:
    """What went wrong."""
    err.print(text, markup=False, style="red")


def print_json(value: object) -> None:
    """One JSON value, for scripts."""
    sys.stdout.write(json.dumps(value) + "\n")


def print_csv(rows: Sequence[Mapping[str, object]]) -> None:
    """Rows under their column names, for spreadsheets."""
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str] = ()) -> None:
    """A table of numbers to the right and, in the columns named in `words`, text to the left."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        left = column in words
        table.add_column(column, justify="left" if left else "right", overflow="fold", no_wrap=not left)
    for row in rows:
        table.add_row(*row)
    out.print(table, soft_wrap=False)


def show_objective(name: str, value: float | None) -> str:
    """An objective's value as it is printed everywhere: errors as top-1 in %, sizes in bytes."""
    if value is None:
        return "-"
    if name == "error":
        return f"{100 * (1 - value):.2f} %"
    return show(value, OBJECTIVES[name].unit)


def title(name: str) -> str:
    """The heading of an objective's column."""
    return {"error": "top-1", "size_bits": "size", "peak_activation_bytes": "memory"}.get(name, name)


@contextmanager
def progress() -> Iterator[Report]:
    """Show how far the stages are: bars on a terminal, else about ten lines a stage."""
    if not err.is_terminal:
        yield _Lines()
        return
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}", style="dim"),
        console=err,
    )
    tasks: dict[str, TaskID] = {}

    def draw(step: Progress) -> None:
        if step.stage not in tasks:
            tasks[step.stage] = bar.add_task(step.stage, total=step.total, figures="")
        bar.update(tasks[step.stage], completed=step.done, figures=step.figures)

    with bar:
        yield draw


class _Lines:
    """Plain lines with the time left, now and then."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[float, int]] = {}  # time and units done at a stage's first report
        self._said: dict[str, int] = {}

    def __call__(self, step: Progress) -> None:
        now = time.monotonic()
        begun, first = self._begun.setdefault(step.stage, (now, step.done))
        tenth = step.done * _LINES_PER_STAGE // max(step.total, 1)
        if self._said.get(step.stage) == tenth and step.done != step.total:
            return
        self._said[step.stage] = tenth
        left = ""
        if first < step.done < step.total:
            seconds = (now - begun) / (step.done - first) * (step.total - step.done)
            left = f", about {seconds:,.0f} s left"
        parts = [
            f"{step.stage}: {step.done}/{step.total} {step.unit}",
            *([step.figures] if step.figures else []),
        ]
        err.print(", ".join(parts) + left, markup=False)


def objective_values(objectives: Mapping[str, Any]) -> dict[str, float]:
    """Objectives as plain numbers, in their usual order."""
    return {name: float(objectives[name]) for name in OBJECTIVES if name in objectives}
