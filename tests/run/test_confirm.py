"""Confirming: the rungs of a tiny run, what is trained again and what is not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.progress import Progress
from evo_bnas.run.confirm import candidates, confirm
from evo_bnas.run.folder import Run
from evo_bnas.run.network_training import NetworkTraining, short_training
from evo_bnas.run.results import Results
from evo_bnas.run.search import search as search_stage
from evo_bnas.run.start import start
from evo_bnas.supernet.supernet import Supernet, save_supernet
from evo_bnas.train.settings import ConfirmSettings
from tests.support.made_up_scores import networks, write_journal
from tests.support.short_runs import SHORT

SMALL = (
    *SHORT,
    "space=tiny-8",
    "search.evaluations=12",
    "search.explorer=random",
    "confirm.networks=6",
    "confirm.epochs=[1, 2]",
    "pick.limits={}",
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has searched with an untrained supernet."""
    run = start("digits", tmp_path_factory.mktemp("searched") / "run", SMALL)
    save_supernet(Supernet(run.space), run.supernet_file)
    search_stage(run)
    return run.folder


@pytest.fixture(scope="module")
def confirmed(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, confirmed."""
    folder = shutil.copytree(searched, tmp_path_factory.mktemp("confirmed") / "run")
    run = Run.open(folder)
    confirm(run, Results.of(run))
    return folder


@pytest.fixture
def run(confirmed: Path, tmp_path: Path) -> Run:
    """A copy of the confirmed run."""
    return Run.open(shutil.copytree(confirmed, tmp_path / "run"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[NetworkTraining]:
    """Notes every training."""
    trainings: list[NetworkTraining] = []
    train: Callable[..., Any] = NetworkTraining.train

    def noted(training: NetworkTraining, *arguments: Any) -> Any:
        trainings.append(training)
        return train(training, *arguments)

    monkeypatch.setattr(NetworkTraining, "train", noted)
    return trainings


def with_confirming(run: Run, networks: int, *epochs: int, min_steps: int = 0) -> Run:
    """The run, resumed with other rungs."""
    settings = ConfirmSettings(networks=networks, epochs=epochs, min_steps=min_steps)
    return replace(run, recipe=run.recipe.model_copy(update={"confirm": settings}))


def with_limits(run: Run, **limits: float) -> Run:
    """The run with other limits of its pick."""
    settings = run.recipe.pick.model_copy(update={"limits": limits})
    return replace(run, recipe=run.recipe.model_copy(update={"pick": settings}))


def journals(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.rung_file(1).parent.iterdir()}


@pytest.fixture
def unsearched(tmp_path: Path) -> Run:
    """A run with made-up scores of a large space, and a budget."""
    run = start("digits", tmp_path / "made-up", ["engine.device=cpu", "pick.limits.ops=40k"])
    rng = np.random.default_rng(0)
    write_journal(run.journal_file, run, networks(run, 60), rng.uniform(0.1, 0.6, 60).tolist())
    return run


@pytest.mark.slow
def test_every_rung_has_its_journal_and_its_column(run: Run) -> None:
    results = Results.of(run)
    assert {epochs: len(rung) for epochs, rung in results.rungs.items()} == {1: 6, 2: 3}
    for epochs, rung in results.rungs.items():
        column = results.frame.set_index("key")[f"confirmed_{epochs}"]
        assert column.dropna().to_dict() == rung.set_index("key")["error"].to_dict()
    assert results.frame["expected"].notna().all()
    written = pd.read_csv(run.front_csv)
    assert {"expected", "deviation", "confirmed_1", "confirmed_2"} <= set(written.columns)


@pytest.mark.slow
def test_expected_errors_follow_what_the_trainings_measured(searched: Path, run: Run) -> None:
    before, after = Results.of(Run.open(searched)).frame, Results.of(run).frame
    assert before["error"].equals(after["error"])
    assert after["confirmed_1"].mean() < before["error"].mean(), "an untrained supernet guesses"
    assert after["expected"].mean() < before["expected"].mean()


@pytest.mark.slow
def test_an_error_in_a_rung_is_that_of_a_training_from_inherited_weights(run: Run) -> None:
    last = Results.of(run).rungs[2].iloc[-1]
    evaluate = short_training(run, "supernet", 2, run.recipe.seed)
    (score,) = evaluate([run.space.named(last["key"])])
    assert (score.objectives["error"], score.correct) == (last["error"], last["correct"])
    (alone,) = short_training(run, "scratch", 2, run.recipe.seed)([run.space.named(last["key"])])
    assert alone.correct != score.correct


@pytest.mark.slow
def test_confirming_again_trains_nothing_and_changes_no_journal(
    run: Run, trained: list[NetworkTraining]
) -> None:
    before, known = journals(run), Results.of(run)
    again = confirm(run, known).results
    assert trained == []
    assert journals(run) == before
    assert again.frame.equals(known.frame)


@pytest.mark.slow
def test_more_networks_later_are_added_to_the_journals(run: Run, trained: list[NetworkTraining]) -> None:
    before = journals(run)
    more = with_confirming(run, 8, 1, 2)
    reported: list[Progress] = []
    results = confirm(more, Results.of(more), reported.append).results
    after = journals(run)
    assert all(after[name].startswith(content) for name, content in before.items())
    rungs = results.rungs
    new = len(rungs[1]) - 6 + len(rungs[2]) - 3
    assert len(trained) == new >= 3
    assert len(rungs[1]) >= 8
    assert len(rungs[2]) >= 4
    assert reported[-1].done == reported[-1].total == len(rungs[2])
    assert {step.unit for step in reported} == {"networks"}
    # And fewer again: what is measured stays and counts.
    assert confirm(run, Results.of(run)).results.rungs[1].equals(rungs[1])
    assert len(trained) == new


@pytest.mark.slow
def test_a_rung_of_other_epochs_has_a_journal_of_its_own(run: Run, trained: list[NetworkTraining]) -> None:
    before = journals(run)
    other = with_confirming(run, 3, 3)
    results = confirm(other, Results.of(other)).results
    assert [training.settings.epochs for training in trained] == [3] * 3
    assert set(results.rungs) == {3}
    assert before.items() <= journals(run).items()


@pytest.mark.slow
def test_without_networks_nothing_is_confirmed(searched: Path, trained: list[NetworkTraining]) -> None:
    run = with_confirming(Run.open(searched), 0, 1)
    results = confirm(run, Results.of(run)).results
    assert trained == []
    assert not run.rung_file(1).exists()
    assert not [column for column in results.frame.columns if column.startswith("confirmed")]


def test_trainings_to_confirm_are_short_whatever_the_final_training_is(
    searched: Path, trained: list[NetworkTraining]
) -> None:
    """A warm-up, a stage with real weights and a minimum of steps are those of the final training."""
    run = with_confirming(Run.open(searched), 3, 1)
    long = {"epochs": 300, "warm_up": 5, "real_epochs": 50, "min_steps": 9_000}
    retraining = run.recipe.retrain.model_copy(update=long)
    changed = replace(run, recipe=run.recipe.model_copy(update={"retrain": retraining}))
    confirm(changed, Results.of(changed))
    run.rung_file(1).unlink()
    images = run.environment.images["train"]
    for training in trained:
        assert training.settings.steps(images) == training.settings.steps_per_epoch(images)


def test_candidates_are_near_the_front_within_the_limits_and_with_the_largest(unsearched: Run) -> None:
    results = Results.of(unsearched)
    rows = results.frame[results.frame["ops"] <= 40_000].set_index("key")
    assert len(rows) < len(results.frame)
    keys = candidates(results, 10)
    assert len(keys) == len(set(keys)) == 10
    assert set(keys) <= set(rows.index)
    assert rows["ops"].idxmax() in keys
    assert rows["expected"].idxmin() in keys
    assert rows["ops"].idxmin() in keys
    others = rows.drop(keys)
    for key in keys[:-1]:
        better = (others["expected"] < rows.loc[key, "expected"]) & (others["ops"] < rows.loc[key, "ops"])
        assert not better.any()
    assert set(candidates(results, 100)) == set(rows.index)


def test_candidates_are_cheap_in_what_the_recipe_limits(unsearched: Run) -> None:
    rows = Results.of(unsearched).frame.set_index("key")
    limit = float(rows["params"].median())
    rows = rows[rows["params"] <= limit]
    keys = candidates(Results.of(with_limits(unsearched, params=limit)), 6)
    assert rows["params"].idxmin() in keys
    assert set(keys) <= set(rows.index)


def test_a_budget_that_no_network_meets_does_not_prevent_confirming(unsearched: Run) -> None:
    assert len(candidates(Results.of(with_limits(unsearched, error=1e-6)), 6)) == 6


def test_networks_whose_training_failed_are_left_out(unsearched: Run) -> None:
    file = unsearched.rung_file(1)
    write_journal(file, unsearched, networks(unsearched, 8), [0.1] * 6)
    with Journal(file, unsearched.space) as journal:
        journal.add_scores([(6, Score("failed", {}, reason="out of memory"))])
    results = Results.of(unsearched)
    assert len(results.rungs[1]) == 6
    assert results.frame["confirmed_1"].notna().sum() == 6


def test_a_rung_without_a_score_yet_changes_nothing(unsearched: Run) -> None:
    before = Results.of(unsearched).frame
    write_journal(unsearched.rung_file(1), unsearched, networks(unsearched, 8), [])
    after = Results.of(unsearched).frame
    assert after["confirmed_1"].isna().all()
    assert after[before.columns].equals(before)
