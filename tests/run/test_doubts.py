"""Warnings: what a run says when its results are worth little."""

from pathlib import Path

import numpy as np
import pytest

from evo_bnas.run import doubts
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from evo_bnas.run.start import start
from tests.support.made_up_scores import networks, write_journal

NUMBER = 40


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return start("digits", tmp_path / "run", ["engine.device=cpu", "confirm.epochs=[2]"])


def log_ops(run: Run) -> np.ndarray:
    return np.log([run.space.costs(one)["ops"] for one in networks(run, NUMBER)])


def searched(run: Run, errors: np.ndarray) -> Results:
    write_journal(run.journal_file, run, networks(run, NUMBER), errors.tolist())
    return Results.of(run)


def confirmed(run: Run, before: np.ndarray, after: np.ndarray) -> Results:
    searched(run, before)
    write_journal(run.rung_file(2), run, networks(run, NUMBER)[: len(after)], after.tolist())
    return Results.of(run)


def test_a_search_that_tells_networks_apart_is_not_doubted(run: Run) -> None:
    assert doubts.of_search(searched(run, np.random.default_rng(1).uniform(0.05, 0.5, NUMBER))) == []


def test_errors_near_chance_are_doubted(run: Run) -> None:
    (first, *_) = doubts.of_search(searched(run, np.random.default_rng(1).uniform(0.87, 0.92, NUMBER)))
    assert "chance" in first
    assert "supernet.min_steps" in first
    assert "evo-bnas check" in first


def test_differences_within_the_noise_of_the_images_are_doubted(run: Run) -> None:
    (only,) = doubts.of_search(searched(run, np.full(NUMBER, 0.1)))
    assert "359 search images" in only
    assert "data.search_share" in only


def test_short_trainings_that_change_little_raise_no_doubt(run: Run) -> None:
    before = np.linspace(0.05, 0.4, NUMBER)
    assert doubts.of_confirming(confirmed(run, before, before[:12] - 0.01)) == []


def test_a_supernet_whose_networks_improve_much_by_short_trainings_is_doubted(run: Run) -> None:
    before = np.linspace(0.4, 0.5, NUMBER)
    (only,) = doubts.of_confirming(confirmed(run, before, before[:12] - 0.3))
    assert "trained too little" in only
    assert "supernet.epochs" in only


def test_a_supernet_that_adds_nothing_to_ops_is_doubted(run: Run) -> None:
    ops = log_ops(run)
    scale = (ops - ops.min()) / np.ptp(ops)
    # After the trainings only the ops count; the supernet saw the opposite of the rest.
    after = 0.3 - 0.2 * scale[:16]
    before = np.clip(0.5 + 0.2 * np.random.default_rng(0).normal(size=NUMBER), 0.05, 0.9)
    results = confirmed(run, before, after)
    assert any("evo-bnas ranking" in doubt for doubt in doubts.of_confirming(results))


def test_without_confirming_nothing_is_said_about_it(run: Run) -> None:
    assert doubts.of_confirming(searched(run, np.linspace(0.05, 0.4, NUMBER))) == []
