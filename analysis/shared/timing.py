"""Contestants that take turns in one process: other work on the machine slows all of them alike."""

import time
from collections.abc import Callable, Mapping

import numpy as np


def race(
    contestants: Mapping[str, Callable[[], object]], turns: int, warm_up: int = 1
) -> dict[str, np.ndarray]:
    """Seconds of each contestant in every turn, without the first turns, which warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(warm_up + turns):
        for name, call in contestants.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    return {name: np.array(taken[warm_up:]) for name, taken in seconds.items()}


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> list[float]:
    """Quartiles of the ratio, taken turn by turn."""
    quartiles: list[float] = np.quantile(numerator / denominator, [0.25, 0.5, 0.75]).tolist()
    return quartiles


def milliseconds(seconds: np.ndarray) -> float:
    """The median in ms."""
    return 1e3 * float(np.median(seconds))
