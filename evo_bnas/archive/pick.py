"""The pick: the most accurate network within limits, with allowance for chance on a small search split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evo_bnas.archive.correct import unpack_correct
from evo_bnas.archive.front import by_knee, front
from evo_bnas.archive.limits import conditions
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.network.objectives import OBJECTIVES
from evo_bnas.quantity import show

# Level of McNemar's test: one standard error, the rule of Breiman et al., "Classification and Regression
# Trees", 1984. At the usual 0.05 a few hundred images cannot distinguish two points of accuracy, and a pick
# would give them up for a cheaper network.
ALPHA = 0.32


@dataclass(frozen=True, slots=True)
class Pick:
    """The picked network and the reason."""

    key: str
    objectives: Mapping[str, float]
    order: tuple[str, ...]  # keys of all networks within the limits, best first
    equals: int  # number of networks that count as equally accurate, with the picked one
    reason: str  # a sentence

    @property
    def runner_up(self) -> str | None:
        """The key of the second best; None if no other network is within the limits."""
        return self.order[1] if len(self.order) > 1 else None


def pick(
    frame: pd.DataFrame,
    limits: Mapping[str, float],
    *,
    within: float | None = None,
    knee: bool = False,
    objectives: Sequence[str] = ("error", "ops", "params"),
) -> Pick:
    """Pick a network from an archive's frame, within upper limits on any objectives.

    It is the cheapest by ops among those whose error McNemar's exact test cannot distinguish from the lowest:
    on a small search split, the lowest of many errors is partly luck. With `within`, it is the cheapest
    within this difference of error (a fraction) from the lowest; with `knee`, the knee of the front over
    `objectives`. Raises UsageError if no network is within the limits, or for exclusive options.
    """
    if knee and within is not None:
        raise UsageError("knee and within are two ways to pick; use one of them")
    if within is not None and not within >= 0:
        raise UsageError(f"within {within:g} is negative; set a difference of error, such as 0.01")
    rows = within_limits(frame, limits)
    if knee:
        order, equals = by_knee(front(rows, objectives), objectives), 1
        reason = f"It is the knee of the front over {', '.join(objectives)}"
    else:
        equal, reason = _indistinguishable(rows) if within is None else _close(rows, within)
        order, equals = _best_first(rows, equal), int(equal.sum())
    scope = f" with {conditions(limits)}" if limits else ""
    picked = order.iloc[0]
    return Pick(
        key=str(picked["key"]),
        objectives={name: float(picked[name]) for name in OBJECTIVES if name in order.columns},
        order=tuple(order["key"]),
        equals=equals,
        reason=f"{reason} among the {len(rows):,} networks{scope}.",
    )


def within_limits(frame: pd.DataFrame, limits: Mapping[str, float]) -> pd.DataFrame:
    """The successful rows of a frame within upper limits on any objectives; raises UsageError if none is."""
    for name in limits:
        if name not in OBJECTIVES:
            raise UsageError(f"limit {name!r}: unknown objective; {suggestion(name, OBJECTIVES)}")
    rows = frame[frame["status"] == "ok"]
    if rows.empty:
        raise UsageError("no network is scored yet; run the search first")
    within = rows
    for name, limit in limits.items():
        if name not in rows:
            raise UsageError(
                f"limit {name!r} was not measured; add it to search.objectives and search in another run"
            )
        lowest = rows[name].min()
        if not lowest <= limit:
            unit = OBJECTIVES[name].unit
            raise UsageError(
                f"no scored network has {name} ≤ {show(limit, unit)}; the smallest has {show(lowest, unit)}: "
                "raise the limit, or continue the search"
            )
        within = within[within[name] <= limit]
    if within.empty:
        raise UsageError(f"no scored network has {conditions(limits)}; raise a limit, or continue the search")
    return within


def _best_first(rows: pd.DataFrame, equal: "pd.Series[bool]") -> pd.DataFrame:
    """Rows of equal accuracy by ops, then the others by error."""
    return pd.concat(
        [
            rows[equal].sort_values(["ops", "error"], kind="stable"),
            rows[~equal].sort_values(["error", "ops"], kind="stable"),
        ]
    )


def _close(rows: pd.DataFrame, within: float) -> tuple["pd.Series[bool]", str]:
    """The rows within a difference of error from the lowest, and the reason for picking among them."""
    highest = rows["error"].min() + within
    equal = rows["error"] <= highest
    return equal, f"It is the cheapest of {equal.sum()} with an error of at most {_percent(highest)}"


def _indistinguishable(rows: pd.DataFrame) -> tuple["pd.Series[bool]", str]:
    """The rows that McNemar's exact test cannot distinguish from the best, and the reason as in `_close`.

    Without correctness bits these are the rows of the same error.
    """
    best = rows.sort_values(["error", "ops"], kind="stable").iloc[0]
    lowest = _percent(best["error"])
    equal = _same_error(rows, best)
    if equal.sum() == 1:
        return equal, f"It has the lowest error, {lowest},"
    return equal, (
        f"It is the cheapest of {equal.sum()} that an exact McNemar test (alpha {ALPHA}) cannot distinguish "
        f"from the lowest error, {lowest},"
    )


def _same_error(rows: pd.DataFrame, best: "pd.Series[Any]") -> "pd.Series[bool]":
    if not rows["correct"].all():
        same: pd.Series[bool] = rows["error"] == best["error"]
        return same
    reference = unpack_correct(str(best["correct"]))
    equal = [_p_value(reference, unpack_correct(text)) >= ALPHA for text in rows["correct"]]
    return pd.Series(equal, index=rows.index, dtype=bool)


def _p_value(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p value that two classifiers are right equally often on the images where they differ.

    McNemar, "Note on the sampling error of the difference between correlated proportions", 1947.
    """
    from scipy.stats import binomtest  # takes a second to import

    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    total = only_first + only_second
    return float(binomtest(only_first, total).pvalue) if total else 1.0


def _percent(error: float) -> str:
    return f"{100 * error:.2f} %"
