"""The terminal: tables, lines, progress. Results go to stdout; errors, warnings and progress to stderr."""

import csv
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from evo_bnas.network.objectives import OBJECTIVES
from evo_bnas.progress import Progress
from evo_bnas.quantity import show

# Output to a file or pipe is not cut to a width, and progress is printed as lines.
_WIDE = 10_000
_LINES_PER_STAGE = 10

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
err = Console(highlight=False, soft_wrap=True, stderr=True, width=None if sys.stderr.isatty() else _WIDE)


def say(text: str = "") -> None:
    """Print a line as it is."""
    out.print(text, markup=False)


def print_next(what: str, command: str) -> None:
    """Print the command to type next, as the last line."""
    say(f"\nnext, {what}: {command}")


def complain(text: str) -> None:
    """Print what went wrong."""
    err.print(text, markup=False, style="red")


def warn(text: str) -> None:
    """Print a reason to doubt the results."""
    err.print(f"warning: {text}", markup=False, style="yellow")


def print_json(value: object) -> None:
    """One JSON value, for scripts."""
    sys.stdout.write(json.dumps(value) + "\n")


def print_csv(rows: Sequence[Mapping[str, object]]) -> None:
    """ListingFormat under their column names, for spreadsheets."""
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[str] = ()) -> None:
    """Print a table; columns named in `left` are aligned to the left, all others to the right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        text = column in left
        table.add_column(column, justify="left" if text else "right", overflow="fold", no_wrap=not text)
    for row in rows:
        table.add_row(*row)
    out.print(table, soft_wrap=False)


def show_objective(name: str, value: float | None) -> str:
    """An objective's value as text: errors as top-1 in %, sizes in bytes."""
    if value is None:
        return "-"
    if name == "error":
        return f"{100 * (1 - value):.2f} %"
    return show(value, OBJECTIVES[name].unit)


def title(name: str) -> str:
    """The heading of an objective's column."""
    return OBJECTIVES[name].title


class Reporter(Protocol):
    """Shows progress until `finish`, or until the end of the block that it comes from."""

    def __call__(self, step: Progress) -> None: ...

    def finish(self) -> None:
        """End what is shown now, so that other lines can be printed; later steps are shown again."""


@contextmanager
def progress() -> Iterator[Reporter]:
    """Show progress: bars on a terminal, otherwise about ten lines per stage."""
    reporter: Reporter = _Bars() if err.is_terminal else _Lines()
    try:
        yield reporter
    finally:
        reporter.finish()


class _Bars:
    """One bar per stage."""

    def __init__(self) -> None:
        self._bars: Bar | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, step: Progress) -> None:
        if self._bars is None:
            self._bars = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[figures]}", style="dim"),
                console=err,
            )
            self._bars.start()
        if step.stage not in self._tasks:
            self._tasks[step.stage] = self._bars.add_task(step.stage, total=step.total, figures="")
        self._bars.update(self._tasks[step.stage], completed=step.done, figures=step.figures)

    def finish(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars, self._tasks = None, {}


class _Lines:
    """Plain lines with the time left."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[float, int]] = {}  # time and units done at a stage's first report
        self._tenths: dict[str, int] = {}  # printed last

    def __call__(self, step: Progress) -> None:
        now = time.monotonic()
        since, first = self._first.setdefault(step.stage, (now, step.done))
        tenth = step.done * _LINES_PER_STAGE // max(step.total, 1)
        if self._tenths.get(step.stage) == tenth and step.done != step.total:
            return
        self._tenths[step.stage] = tenth
        left = ""
        if first < step.done < step.total:
            seconds = (now - since) / (step.done - first) * (step.total - step.done)
            left = f", about {seconds:,.0f} s left"
        parts = [
            f"{step.stage}: {step.done}/{step.total} {step.unit}",
            *([step.figures] if step.figures else []),
        ]
        err.print(", ".join(parts) + left, markup=False)

    def finish(self) -> None:
        pass


def objective_values(objectives: Mapping[str, Any]) -> dict[str, float]:
    """Objectives as plain numbers, in their usual order."""
    return {name: float(objectives[name]) for name in OBJECTIVES if name in objectives}
