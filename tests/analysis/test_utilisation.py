"""The study of busy workers, on its virtual clock."""

from pathlib import Path

import numpy as np
import pytest

from analysis import utilisation
from analysis.proposal_overhead import SPACE
from analysis.utilisation import Virtual, simulate

NETWORKS = [SPACE.sample(np.random.default_rng(seed)) for seed in range(5)]


def test_what_waits_at_a_worker_begins_when_the_worker_is_free() -> None:
    engine = Virtual(2, [5.0, 1.0, 1.0, 1.0])
    for id in range(4):
        engine.submit(id, NETWORKS[id])
    scored: list[int] = []
    while len(scored) < 4:
        scored += [id for id, _ in engine.poll()]
    assert sorted(scored) == [0, 1, 2, 3]
    begun = engine.intervals[0][0]
    # The first two at once; then each waits behind one of them.
    assert sorted(begin - begun for begin, _ in engine.intervals) == pytest.approx([0, 0, 1, 5])


def test_nobody_is_busier_than_a_driver_that_needs_no_time_allows() -> None:
    outcome = simulate("random", 8, seed=0)
    assert 0.5 < outcome.to_the_end <= outcome.at_best <= 1
    assert outcome.to_the_end < outcome.busy <= 1


def test_the_table_and_the_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "utilisation.png"
    utilisation.main(["--explorers", "random,nsga2", "--workers", "2,4", "--plot", str(figure)])
    assert figure.stat().st_size > 1000
    assert len(capsys.readouterr().out.splitlines()) == 5
