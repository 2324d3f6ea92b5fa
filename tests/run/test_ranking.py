"""The ranking check of a tiny run: what it trains, keeps, resumes and prints."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.ranking import Estimate
from evo_bnas.archive.score import Score
from evo_bnas.cli import app
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.standalone import StandaloneEvaluator
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.plots.ranking import plot_ranking
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.network_training import NetworkTraining, short_training
from evo_bnas.run.ranking import check_ranking
from evo_bnas.run.results import RankingResults, Results
from evo_bnas.run.retrain import retrain
from evo_bnas.run.search import search as search_stage
from evo_bnas.run.start import start
from evo_bnas.run.train import train as train_stage
from evo_bnas.search.design import Design, spread
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture
from tests.support.ranking_driver import MOMENTS
from tests.support.short_runs import SHORT
from tests.support.strategies import SPACES

SMALL = (
    *SHORT,
    "search.evaluations=4",
    "search.explorer=random",
    "search.limits={ops: 12k}",
    "retrain.epochs=2",
)
SPACE = SPACES["elastic-8"]
LEAST, MOST = SPACE.bounds("ops")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    run = start("digits", folder, SMALL)
    train_stage(run)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """A copy of the run with its trained supernet only."""
    return Run.open(Path(shutil.copytree(trained, tmp_path / "run")))


@pytest.fixture(scope="module")
def measured(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured") / "run"
    check_ranking(Run.open(Path(shutil.copytree(trained, folder))), 3)
    return folder


@pytest.fixture
def done(measured: Path, tmp_path: Path) -> Run:
    """A copy of the run with the ranking of three networks."""
    return Run.open(Path(shutil.copytree(measured, tmp_path / "done")))


@pytest.fixture(scope="module")
def undisturbed(measured: Path) -> pd.DataFrame:
    return RankingResults.of(Run.open(measured)).networks


def stand_alone_journals(run: Run) -> list[bytes]:
    return [path.read_bytes() for path in sorted(run.ranking.glob("stand-alone-*.jsonl"))]


def counted(function: Callable[..., Any], calls: list[Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return function(*args, **kwargs)

    return wrapped


@settings(max_examples=8)
@given(
    st.integers(0, 50), st.integers(1, 8), st.integers(0, 4), st.sampled_from([LEAST, 9_000, 30_000, MOST])
)
def test_a_longer_design_begins_with_the_shorter_one(seed: int, n: int, more: int, limit: float) -> None:
    problem = Problem(SPACE, ("error", "ops"), {"ops": limit})
    long = spread(problem, n + more, seed)
    assert spread(problem, n, seed) == long[:n]
    assert len(set(long)) == len(long) <= n + more
    assert all(problem.feasible(network) for network in long)
    assert long[:2] == [problem.smallest(), problem.largest()][: len(long)]


@pytest.mark.parametrize("name", ["elastic-8", "group-mobile-8"])
def test_a_design_is_spread_over_the_log_of_the_ops(name: str) -> None:
    space = SPACES[name]
    heights = np.log([space.costs(n)["ops"] for n in spread(Problem(space, ("error", "ops")), 24, seed=0)])
    among, _ = np.histogram(heights, bins=4)
    assert among.min() >= 4


def test_a_design_is_proposed_in_order_and_without_repeats() -> None:
    problem = Problem(SPACE, ("error", "ops"))
    networks = spread(problem, 5, seed=0)
    rng = np.random.default_rng(0)
    design = Design(problem, networks)
    assert [candidate.architecture for candidate in design.propose(Archive(), 3, rng)] == networks[:3]
    known = Archive()
    known.architectures |= {networks[1], networks[3]}
    assert [candidate.architecture for candidate in design.propose(known, 9, rng)] == networks[::2]


def test_the_table_holds_what_the_evaluators_return(run: Run, undisturbed: pd.DataFrame) -> None:
    problem = Problem(run.space, ("error", "ops"), run.recipe.search.limits)
    chosen = spread(problem, 3, run.recipe.seed)
    assert list(undisturbed["key"]) == [network.key for network in chosen]
    assert undisturbed["ops"].max() <= 12_000
    for scorer, column in (
        (inputs.evaluator(run), "supernet_error"),
        (short_training(run, "scratch", None, run.recipe.seed), "error_seed0"),
    ):
        # In reverse order: a score does not depend on earlier ones.
        scores = scorer(chosen[::-1])[::-1]
        assert [score.objectives["error"] for score in scores] == list(undisturbed[column])
    assert (undisturbed["error"] == undisturbed["error_seed0"]).all()


def test_stand_alone_trainings_never_see_the_search_split(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings: list[Any] = []
    monkeypatch.setattr(NetworkTraining, "train", counted(NetworkTraining.train, trainings))
    short_training(run, "scratch", 1, 0)([run.space.smallest()])
    ((training, network, _, images, _),) = trainings
    assert (images.pixels == inputs.images(run).train.pixels).all()
    assert training.settings.epochs == 1
    assert network.blueprint == run.space.draw(run.space.smallest())


def test_different_trainings_have_different_protocols(run: Run) -> None:
    trainings: list[tuple[Literal["supernet", "scratch"], int | None, int]] = [
        ("scratch", None, 0),
        ("scratch", 1, 0),
        ("scratch", None, 1),
        ("supernet", None, 0),
        ("supernet", 1, 0),
    ]
    assert len({short_training(run, *training).protocol_hash for training in trainings}) == len(trainings)
    as_the_recipe = short_training(run, "scratch", run.recipe.retrain.epochs, 0)
    assert as_the_recipe.protocol_hash == short_training(run, "scratch", None, 0).protocol_hash


def test_a_training_too_short_for_its_warm_up_is_refused(tmp_path: Path) -> None:
    run = start("digits", tmp_path / "run", (*SMALL, "retrain.warm_up=1"))
    with pytest.raises(UsageError, match="epochs: warm_up"):
        short_training(run, "scratch", 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_and_resumed_check_equals_an_undisturbed_one(
    moment: str, run: Run, undisturbed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "tests.support.ranking_driver", moment, "ranking", str(run.folder)]
    killed = subprocess.run([*command, "--networks", "3"], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert any(run.checkpoint.iterdir()) == (moment == "inside_a_training")
    (before,) = stand_alone_journals(run)
    assert before.count(b'"scored"') == before.count(b'"proposed"') - 1
    trainings: list[Any] = []
    monkeypatch.setattr(NetworkTraining, "untrained", counted(NetworkTraining.untrained, trainings))
    assert check_ranking(run, 3).networks.equals(undisturbed)
    assert len(trainings) == 3 - before.count(b'"scored"')
    (after,) = stand_alone_journals(run)
    assert after.startswith(before)
    assert after.count(b'"scored"') == 3
    assert not list(run.checkpoint.iterdir())


@pytest.mark.slow
def test_more_networks_and_seeds_add_to_the_table(
    done: Run, undisturbed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings: list[Any] = []
    monkeypatch.setattr(NetworkTraining, "untrained", counted(NetworkTraining.untrained, trainings))
    more = check_ranking(done, 4, seeds=2)
    assert len(trainings) == 1 + 4
    assert more.networks["error_seed0"][:3].equals(undisturbed["error_seed0"])
    assert np.allclose(more.networks["error"], more.networks[["error_seed0", "error_seed1"]].mean(axis=1))
    assert more.seeds == 2
    assert more.between_seeds is None or -1 <= more.between_seeds <= 1
    # A second call for as many or fewer networks trains nothing.
    assert check_ranking(done, 4, seeds=2).networks.equals(more.networks)
    assert check_ranking(done, 3).networks.equals(undisturbed)
    assert len(trainings) == 1 + 4


@pytest.mark.slow
def test_networks_scored_by_the_search_are_not_scored_again(
    run: Run, undisturbed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_stage(run)
    searched = set(Results.of(run).frame["key"])
    assert searched & set(undisturbed["key"])
    calls: list[Any] = []
    monkeypatch.setattr(SupernetEvaluator, "__call__", counted(SupernetEvaluator.__call__, calls))
    assert check_ranking(run, 3, epochs=1).networks["supernet_error"].equals(undisturbed["supernet_error"])
    assert {network.key for _, networks in calls for network in networks} == set(
        undisturbed["key"]
    ) - searched


@pytest.mark.slow
def test_the_table_and_the_json_output_agree(done: Run, undisturbed: pd.DataFrame) -> None:
    words = ["ranking", str(done.folder), "--networks", "3"]
    shown, written_out = (
        CliRunner().invoke(app, [*words, *more]).stdout for more in ([], ["--format", "json"])
    )
    values = json.loads(written_out)
    assert [row["error"] for row in values["rows"]] == list(undisturbed["error"])
    assert (values["networks"], values["seeds"], values["space"]) == (3, 1, "elastic-8")
    written = RankingResults.of(done)
    assert written.networks.equals(undisturbed)
    assert values["estimated"]["tau"]["value"] == written.agreement.estimated.tau.value
    assert str(written.agreement.estimated.tau) in shown
    assert "3 networks" in shown
    assert "2 epochs" in shown
    assert "ops alone" in shown
    assert shown.splitlines()[-1].startswith("next, ")
    assert done.ranking_png.read_bytes().startswith(b"\x89PNG")
    header = done.ranking_csv.read_text().splitlines()[0].split(",")
    assert {"key", "ops", "supernet_error", "error", "error_seed0"} <= set(header)


def test_a_run_without_a_supernet_is_refused(tmp_path: Path) -> None:
    run = start("digits", tmp_path / "run", SMALL)
    refused = CliRunner().invoke(app, ["ranking", str(run.folder)])
    assert refused.exit_code == 2
    assert f"evo-bnas train {run.folder}" in refused.stderr
    for stage in (search_stage, retrain):
        with pytest.raises(UsageError, match=f"evo-bnas train {run.folder}"):
            stage(run)
    assert not run.journal_file.exists()
    with pytest.raises(UsageError, match="evo-bnas ranking"):
        RankingResults.of(run)
    assert not run.ranking.exists()


@pytest.mark.parametrize(("networks", "limit"), [(2, 12_000), (24, LEAST)])
def test_too_few_networks_are_refused_before_any_is_trained(run: Run, networks: int, limit: float) -> None:
    limited = run.recipe.search.model_copy(update={"limits": {"ops": limit}})
    few = replace(run, recipe=run.recipe.model_copy(update={"search": limited}))
    with pytest.raises(UsageError, match=r"needs 3 networks or more, and there are [12]"):
        check_ranking(few, networks)
    assert not run.ranking.exists()


def test_too_few_scores_leave_no_table(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    score, smallest = StandaloneEvaluator.__call__, run.space.smallest()

    def fail(evaluator: StandaloneEvaluator, architectures: Sequence[Architecture]) -> list[Score]:
        if smallest not in architectures:
            raise MemoryError
        return score(evaluator, architectures)

    monkeypatch.setattr(StandaloneEvaluator, "__call__", fail)
    with pytest.raises(UsageError, match="1 of 3"):
        check_ranking(run, 3)
    assert not run.ranking_csv.exists()


def test_a_damaged_table_is_reported_with_the_way_out(run: Run) -> None:
    run.ranking_csv.write_text("key,ops\nx,1\n")
    with pytest.raises(UsageError, match=r"ranking\.csv: .*evo-bnas ranking"):
        RankingResults.of(run)


def test_the_figure_shows_every_network(undisturbed: pd.DataFrame, tmp_path: Path) -> None:
    tables = {
        "all": undisturbed,
        "some": undisturbed[:2],
        "equal ops": undisturbed.assign(ops=7),
        "equal errors": undisturbed.assign(error=0.5, supernet_error=0.5),
    }
    for name, networks in tables.items():
        plot_ranking(networks, Estimate(None, None, None), tmp_path / f"{name}.png")
    figures = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(figures) == len(tables)
    assert all(figure.startswith(b"\x89PNG") for figure in figures)
