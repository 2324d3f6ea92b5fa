"""The virtual clock of the study of many workers."""

import numpy as np
import pytest

from analysis.shared.made_up import SPACE
from analysis.utilisation import Virtual, simulate

NETWORKS = [SPACE.sample(np.random.default_rng(seed)) for seed in range(5)]


def test_a_waiting_evaluation_starts_when_its_worker_is_free() -> None:
    engine = Virtual(2, [5.0, 1.0, 1.0, 1.0])
    for id in range(4):
        engine.submit(id, NETWORKS[id])
    scored: list[int] = []
    while len(scored) < 4:
        scored += [id for id, _ in engine.poll()]
    assert sorted(scored) == [0, 1, 2, 3]
    first = engine.intervals[0][0]
    # The first two start at once; each later one starts when a worker is free.
    assert sorted(start - first for start, _ in engine.intervals) == pytest.approx([0, 0, 1, 5])


def test_shares_of_the_workers_time_are_ordered() -> None:
    outcome = simulate("random", 8, seed=0)
    assert 0.5 < outcome.to_the_end <= outcome.instant_driver <= 1
    assert outcome.to_the_end < outcome.busy <= 1
