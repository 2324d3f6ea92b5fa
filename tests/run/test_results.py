"""The results of a run, from a journal of made-up scores."""

from pathlib import Path

import pandas as pd
import pytest

from evo_bnas.errors import UsageError
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from evo_bnas.run.start import start
from evo_bnas.search.problem import Problem
from tests.support.synthetic import run as search

LIMIT = 40_000


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("results") / "run"
    run = start("digits", folder, [f"search.limits.ops={LIMIT}", "engine.device=cpu"])
    problem = Problem(run.space, ("error", "ops", "params"), {"ops": LIMIT})
    search(run.journal_file, problem, "random", evaluations=40, fail_one_in=10)
    return run


def test_the_frame_holds_every_evaluation_and_the_front_only_successful_ones(searched: Run) -> None:
    results = Results.of(searched)
    assert len(results.frame) == 40
    assert (results.frame["status"] == "failed").any()
    assert (results.front["status"] == "ok").all()
    assert results.front["ops"].is_monotonic_increasing


def test_the_written_table_is_the_front_table(searched: Run) -> None:
    results = Results.of(searched)
    results.write()
    written = pd.read_csv(searched.front_csv)
    assert list(written.columns) == list(results.front_table.columns)
    assert list(written["key"]) == list(results.front["key"])
    assert searched.front_png.read_bytes().startswith(b"\x89PNG")


def test_the_hypervolume_is_the_end_of_its_trace(searched: Run) -> None:
    results = Results.of(searched)
    trace = results.hypervolume_trace()
    assert len(trace) == 40
    assert trace == sorted(trace)
    assert trace[-1] == pytest.approx(results.hypervolume)


def test_a_pick_is_within_its_own_limits_and_those_of_the_search(searched: Run) -> None:
    results = Results.of(searched)
    picked = results.recipe_pick
    assert picked == results.pick()
    assert results.pick({"ops": 20_000}) == picked, "the limit of the recipe"
    assert results.pick({"ops": 10 * LIMIT}).objectives["ops"] <= LIMIT
    assert results.pick(knee=True).key in set(results.front["key"])


def test_a_limit_that_no_network_meets_is_refused(searched: Run) -> None:
    with pytest.raises(UsageError, match="ops ≤ 1"):
        Results.of(searched).pick({"ops": 1})


def test_a_run_without_a_journal_is_refused_with_the_command_to_run(tmp_path: Path) -> None:
    run = start("digits", tmp_path / "run", ["engine.device=cpu"])
    with pytest.raises(UsageError, match=f"evo-bnas search {run.folder}"):
        Results.of(run)
