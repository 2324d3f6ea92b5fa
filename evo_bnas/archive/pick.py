"""The pick: the network within limits that is expected to be the most accurate after training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evo_bnas.archive.front import by_knee, front
from evo_bnas.archive.limits import conditions
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.network.objectives import OBJECTIVES
from evo_bnas.quantity import show

_NEAR_THE_MOST = 0.9  # share of the most ops within the limits


@dataclass(frozen=True, slots=True)
class Pick:
    """The picked network and the reason."""

    key: str
    objectives: Mapping[str, float]  # as measured in the search
    expected: float  # error after training, a fraction
    deviation: float  # of the expected error
    order: tuple[str, ...]  # keys of all networks within the limits, best first
    equals: int  # number of networks that the evidence cannot distinguish from it, itself included
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
    """Pick a network from a frame with expected errors, within upper limits on any objectives.

    It is the one with the lowest expected error. If the evidence distinguishes none of the networks, it is
    the best of those with nearly the most ops: trained alone, larger networks are more accurate more often
    than not. With `within`, it is the cheapest by ops whose expected error is at most this much (a fraction)
    above the lowest; with `knee`, the knee of the front over `objectives`. Raises UsageError if no network is
    within the limits, or for exclusive options.
    """
    if knee and within is not None:
        raise UsageError("knee and within are two ways to pick; use one of them")
    if within is not None and not within >= 0:
        raise UsageError(f"within {within:g} is negative; set a difference of error, such as 0.01")
    rows = within_limits(frame, limits)
    equal = _indistinguishable(rows)
    best = rows.sort_values(["expected", "ops"], kind="stable")
    if knee:
        # The front of expected errors: of measured ones it holds the luckiest.
        order = by_knee(front(rows.assign(error=rows["expected"]), objectives), objectives)
        reason = f"It is the knee of the front over {', '.join(objectives)}"
    elif within is not None:
        highest = rows["expected"].min() + within
        close = best[best["expected"] <= highest].sort_values("ops", kind="stable")
        order = pd.concat([close, best.drop(close.index)])
        reason = f"It is the cheapest of {len(close)} with an expected error of at most {_percent(highest)}"
    elif equal.all() and len(rows) > 1:
        large = best[best["ops"] >= _NEAR_THE_MOST * best["ops"].max()]
        order = pd.concat([large, best.drop(large.index).sort_values("ops", ascending=False, kind="stable")])
        reason = "The evidence cannot distinguish the networks, so it is one with the most ops"
    else:
        order = best
        reason = f"It has the lowest expected error, {_percent(best['expected'].iloc[0])},"
    picked = frame.loc[order.index[0]]
    scope = f" with {conditions(limits)}" if limits else ""
    return Pick(
        key=str(picked["key"]),
        objectives={name: float(picked[name]) for name in OBJECTIVES if name in frame.columns},
        expected=float(picked["expected"]),
        deviation=float(picked["deviation"]),
        order=tuple(order["key"]),
        equals=int(_close(rows, picked["expected"], picked["deviation"]).sum()),
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


def _indistinguishable(rows: pd.DataFrame) -> "pd.Series[bool]":
    """The rows whose expected error is within one standard error of the difference from the lowest."""
    best = rows.iloc[int(rows["expected"].to_numpy().argmin())]
    return _close(rows, best["expected"], best["deviation"])


def _close(rows: pd.DataFrame, expected: float, deviation: float) -> "pd.Series[bool]":
    """The rows whose expected errors differ from this one by less than the deviation of the difference."""
    allowed = np.hypot(rows["deviation"], deviation)
    same: pd.Series[bool] = (rows["expected"] - expected).abs() <= allowed
    return same


def _percent(error: float) -> str:
    return f"{100 * error:.2f} %"
