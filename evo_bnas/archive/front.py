"""What is worth having among the scored: the front, how much it covers, and where it bends."""

from collections.abc import Mapping, Sequence
from typing import Any

import moocore
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

Bounds = Mapping[str, tuple[float, float]]  # of each objective: its best and its worst value


class Hypervolume:
    """The normalised hypervolume of points that come one by one.

    Objectives are mapped linearly from their bounds to [0, 1], the reference point is 1 in each; so 0 is
    nothing, and 1 is everything at its best. What lies beyond a bound's worst value adds nothing.
    """

    def __init__(self, objectives: Sequence[str], bounds: Bounds) -> None:
        self._objectives = list(objectives)
        self._bounds = bounds
        self._front = np.empty((0, len(objectives)))
        self.trace: list[float] = []  # the value after each point

    @property
    def value(self) -> float:
        return self.trace[-1] if self.trace else 0.0

    def add(self, point: Mapping[str, float]) -> None:
        """Extend the trace by one more point; an empty one, of a failed evaluation, changes nothing.

        Raises ValueError for NaN.
        """
        value = self.value
        if point:
            new = _normalised([[point[name] for name in self._objectives]], self._objectives, self._bounds)[0]
            if not (self._front <= new).all(axis=1).any():
                self._front = np.vstack([self._front[(self._front < new).any(axis=1)], new])
                value = _covered(self._front)
        self.trace.append(value)


def front(frame: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """The rows that no other dominates, cheapest first; of equal ones the first proposed.

    Raises ValueError where a successful row lacks an objective.
    """
    rows = _successful(frame, objectives)
    if rows.empty:
        return rows
    kept: pd.DataFrame = rows[moocore.is_nondominated(rows[list(objectives)].to_numpy(dtype=float))]
    costs = [name for name in objectives if name != "error"]
    return kept.sort_values([*costs, *objectives][0], kind="stable")


def ranks(points: np.ndarray) -> np.ndarray:
    """The non-dominated rank of each row of points, (rows,) int; 0 is the front, of equal rows each."""
    return np.asarray(moocore.pareto_rank(points), dtype=int)


def hypervolume(frame: pd.DataFrame, objectives: Sequence[str], bounds: Bounds) -> float:
    """Normalised hypervolume, in [0, 1], of the successful rows; raises ValueError for NaN."""
    rows = frame.loc[frame["status"] == "ok", list(objectives)]
    return _covered(_normalised(rows.to_numpy(dtype=float), objectives, bounds))


def hypervolume_trace(frame: pd.DataFrame, objectives: Sequence[str], bounds: Bounds) -> list[float]:
    """Normalised hypervolume after each row; a failed one leaves it as it was. Raises ValueError for NaN."""
    volume = Hypervolume(objectives, bounds)
    for status, *values in frame[["status", *objectives]].itertuples(index=False):
        volume.add(dict(zip(objectives, values, strict=True)) if status == "ok" else {})
    return volume.trace


def by_knee(front: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """A front with its knee first and then in falling distance from it.

    The knee is the point that bulges farthest from the hyperplane through the front's ends: with every
    objective mapped to [0, 1] over the front, the one with the least sum (Das, "On characterizing the knee
    of the Pareto curve based on normal-boundary intersection", Structural Optimization 18, 1999).
    """
    values = front[list(objectives)].to_numpy(dtype=float)
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    return front.iloc[np.argsort(scaled.sum(axis=1), kind="stable")]


def knee(front: pd.DataFrame, objectives: Sequence[str]) -> "pd.Series[Any]":
    """The row of a front, of one point or more, that `by_knee` puts first."""
    return by_knee(front, objectives).iloc[0]


def _successful(frame: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    rows = frame[frame["status"] == "ok"]
    lacking = rows[rows[list(objectives)].isna().any(axis=1)]
    if not lacking.empty:
        raise ValueError(f"{lacking['key'].iloc[0]} has no value for one of {', '.join(objectives)}")
    return rows


def _normalised(points: ArrayLike, objectives: Sequence[str], bounds: Bounds) -> np.ndarray:
    """Points (rows, objectives) from their bounds to [0, 1]; raises ValueError for NaN."""
    low, high = np.array([bounds[name] for name in objectives], dtype=float).T
    scaled: np.ndarray = (np.asarray(points, dtype=float) - low) / np.where(high > low, high - low, 1.0)
    if np.isnan(scaled).any():
        raise ValueError(f"NaN among the {', '.join(objectives)} of a network")
    return scaled


def _covered(points: np.ndarray) -> float:
    return float(moocore.hypervolume(points, ref=np.ones(points.shape[1])))
