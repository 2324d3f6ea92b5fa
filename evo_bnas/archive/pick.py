"""One network out of all that were found: the most accurate within limits, without overstating accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evo_bnas.archive.correct import unpack_correct
from evo_bnas.archive.front import by_knee, front
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.network.objectives import OBJECTIVES
from evo_bnas.quantity import show

# Level of McNemar's test: one standard error, the rule of Breiman et al., "Classification and Regression
# Trees", 1984. At the usual 0.05 a few hundred images cannot tell two points of accuracy apart, and a pick
# would give them up for a cheaper network.
ALPHA = 0.32


@dataclass(frozen=True, slots=True)
class Pick:
    """The picked network and why it was that one."""

    key: str
    objectives: Mapping[str, float]
    order: tuple[str, ...]  # keys of all networks within the limits, the picked one first
    equals: int  # networks that count as equally good, the picked one included
    reason: str  # a sentence

    @property
    def runner_up(self) -> str | None:
        """The next in order; None where nothing else is within the limits."""
        return self.order[1] if len(self.order) > 1 else None


def pick(
    frame: pd.DataFrame,
    limits: Mapping[str, float],
    *,
    within: float | None = None,
    knee: bool = False,
    objectives: Sequence[str] = ("error", "ops", "params"),
) -> Pick:
    """The best network of an archive's frame under upper limits on any objectives.

    Of the networks that McNemar's exact test cannot tell from the one of lowest error, the cheapest by ops
    is taken: a search split is small, and the lowest of many errors is partly luck. `within` replaces the
    test by an error, as a fraction, that may be given up; `knee` takes the bend of the front over
    `objectives` instead. Raises UsageError for limits that nothing keeps to and for options that clash.
    """
    if knee and within is not None:
        raise UsageError("knee and within are two ways to pick; use one of them")
    if within is not None and not within >= 0:
        raise UsageError(f"within {within:g} is negative; write the error that may be given up, such as 0.01")
    rows = admitted(frame, limits)
    best = rows.sort_values(["error", "ops"], kind="stable").iloc[0]
    scope = f"the {len(rows):,} networks{_conditions(limits)}"
    if knee:
        order, equals = by_knee(front(rows, objectives), objectives), 1
        reason = f"It is the knee of the front over {', '.join(objectives)} among {scope}."
    elif within is not None:
        order, equals = _cheapest_first(rows, rows["error"] <= best["error"] + within)
        most = _percent(best["error"] + within)
        reason = f"It is the cheapest of {equals} with an error of at most {most} among {scope}."
    else:
        order, equals = _cheapest_first(rows, _indistinguishable(rows, best))
        reason = (
            f"It is the cheapest of {equals} that an exact McNemar test (alpha {ALPHA}) cannot tell from the "
            f"lowest error, {_percent(best['error'])}, among {scope}."
            if equals > 1
            else f"It has the lowest error, {_percent(best['error'])}, of {scope}."
        )
    chosen = order.iloc[0]
    return Pick(
        key=str(chosen["key"]),
        objectives={name: float(chosen[name]) for name in OBJECTIVES if name in order.columns},
        order=tuple(order["key"]),
        equals=equals,
        reason=reason,
    )


def admitted(frame: pd.DataFrame, limits: Mapping[str, float]) -> pd.DataFrame:
    """The successful rows under upper limits on any objectives; raises UsageError where there is none."""
    for name in limits:
        if name not in OBJECTIVES:
            raise UsageError(f"limit {name!r}: unknown objective; {suggestion(name, OBJECTIVES)}")
    rows = frame[frame["status"] == "ok"]
    if rows.empty:
        raise UsageError("no network has been scored; run the search first")
    kept = rows
    for name, limit in limits.items():
        if name not in rows:
            raise UsageError(
                f"limit {name!r}: was not measured; search with it among search.objectives in another run"
            )
        least = rows[name].min()
        if not least <= limit:
            unit = OBJECTIVES[name].unit
            raise UsageError(
                f"no network found has {name} ≤ {show(limit, unit)}; the smallest has {show(least, unit)}: "
                "raise the limit, or search on"
            )
        kept = kept[kept[name] <= limit]
    if kept.empty:
        raise UsageError(
            f"no network found keeps to all limits{_conditions(limits)}; raise one, or search on"
        )
    return kept


def _percent(error: float) -> str:
    return f"{100 * error:.2f} %"


def _conditions(limits: Mapping[str, float]) -> str:
    terms = [f"{name} ≤ {show(limit, OBJECTIVES[name].unit)}" for name, limit in limits.items()]
    return f" with {' and '.join(terms)}" if terms else ""


def _cheapest_first(rows: pd.DataFrame, equal: "pd.Series[bool]") -> tuple[pd.DataFrame, int]:
    """The equal ones by ops, then the others by error; and how many are equal."""
    order = pd.concat(
        [
            rows[equal].sort_values(["ops", "error"], kind="stable"),
            rows[~equal].sort_values(["error", "ops"], kind="stable"),
        ]
    )
    return order, int(equal.sum())


def _indistinguishable(rows: pd.DataFrame, best: "pd.Series[Any]") -> "pd.Series[bool]":
    """Which rows McNemar's exact test cannot tell from the best; without bits, those of the same error."""
    if not rows["correct"].all():
        same: pd.Series[bool] = rows["error"] == best["error"]
        return same
    reference = unpack_correct(str(best["correct"]))
    equal = [_p_value(reference, unpack_correct(text)) >= ALPHA for text in rows["correct"]]
    return pd.Series(equal, index=rows.index, dtype=bool)


def _p_value(one: np.ndarray, other: np.ndarray) -> float:
    """Two-sided, of the hypothesis that each of two classifiers is right as often where they differ.

    McNemar, "Note on the sampling error of the difference between correlated proportions", 1947.
    """
    from scipy.stats import binomtest  # a second of import that packing bits need not pay

    better, worse = int((one & ~other).sum()), int((~one & other).sum())
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
