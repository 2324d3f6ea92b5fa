"""The Pareto front of scored networks, its hypervolume and its knee."""

from collections.abc import Mapping, Sequence
from typing import Any

import moocore
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

Bounds = Mapping[str, tuple[float, float]]  # best and worst value by objective


class Hypervolume:
    """The normalised hypervolume of points added one by one, in [0, 1].

    Objectives are mapped linearly from their bounds to [0, 1], and the reference point is 1 in each. Points
    beyond the worst value of a bound add nothing.
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
        """Extend the trace by a point, which is empty for a failed evaluation. Raises ValueError for NaN."""
        value = self.value
        if point:
            new = _normalised([[point[name] for name in self._objectives]], self._objectives, self._bounds)[0]
            if not (self._front <= new).all(axis=1).any():
                self._front = np.vstack([self._front[(self._front < new).any(axis=1)], new])
                value = _hypervolume(self._front)
        self.trace.append(value)


def front(frame: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """The non-dominated rows, cheapest first; of equal rows only the first proposed.

    Raises ValueError if a successful row lacks an objective.
    """
    rows = _successful(frame, objectives)
    if rows.empty:
        return rows
    kept: pd.DataFrame = rows[moocore.is_nondominated(rows[list(objectives)].to_numpy(dtype=float))]
    costs = [name for name in objectives if name != "error"]
    return kept.sort_values([*costs, *objectives][0], kind="stable")


def ranks(points: np.ndarray) -> np.ndarray:
    """The non-dominated rank of each row of points, (rows,) int; 0 is the front. Equal rows rank equally."""
    return np.asarray(moocore.pareto_rank(points), dtype=int)


def hypervolume(frame: pd.DataFrame, objectives: Sequence[str], bounds: Bounds) -> float:
    """Normalised hypervolume of the successful rows, in [0, 1]; raises ValueError for NaN."""
    rows = frame.loc[frame["status"] == "ok", list(objectives)]
    return _hypervolume(_normalised(rows.to_numpy(dtype=float), objectives, bounds))


def hypervolume_trace(frame: pd.DataFrame, objectives: Sequence[str], bounds: Bounds) -> list[float]:
    """Normalised hypervolume after each row; a failed row does not change it. Raises ValueError for NaN."""
    volume = Hypervolume(objectives, bounds)
    for status, *values in frame[["status", *objectives]].itertuples(index=False):
        volume.add(dict(zip(objectives, values, strict=True)) if status == "ok" else {})
    return volume.trace


def by_knee(front: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """A front with its knee first, the others by rising distance from it.

    The knee is the point farthest from the hyperplane through the ends of the front: the one with the
    smallest sum if every objective is mapped to [0, 1] over the front (Das, "On characterizing the knee of
    the Pareto curve based on normal-boundary intersection", Structural Optimization 18, 1999).
    """
    values = front[list(objectives)].to_numpy(dtype=float)
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    return front.iloc[np.argsort(scaled.sum(axis=1), kind="stable")]


def knee(front: pd.DataFrame, objectives: Sequence[str]) -> "pd.Series[Any]":
    """The knee of a front of one point or more, see `by_knee`."""
    return by_knee(front, objectives).iloc[0]


def _successful(frame: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    rows = frame[frame["status"] == "ok"]
    incomplete = rows[rows[list(objectives)].isna().any(axis=1)]
    if not incomplete.empty:
        raise ValueError(f"{incomplete['key'].iloc[0]} has no value for one of {', '.join(objectives)}")
    return rows


def _normalised(points: ArrayLike, objectives: Sequence[str], bounds: Bounds) -> np.ndarray:
    """Points (rows, objectives) mapped from their bounds to [0, 1]; raises ValueError for NaN."""
    low, high = np.array([bounds[name] for name in objectives], dtype=float).T
    scaled: np.ndarray = (np.asarray(points, dtype=float) - low) / np.where(high > low, high - low, 1.0)
    if np.isnan(scaled).any():
        raise ValueError(f"NaN among the {', '.join(objectives)} of a network")
    return scaled


def _hypervolume(points: np.ndarray) -> float:
    return float(moocore.hypervolume(points, ref=np.ones(points.shape[1])))
