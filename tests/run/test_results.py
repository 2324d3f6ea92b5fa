"""The results of a run, from a journal of made-up scores."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

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


def test_the_frame_has_expected_errors_of_successful_networks_only(searched: Run) -> None:
    frame = Results.of(searched).frame
    failed = frame["status"] == "failed"
    assert frame.loc[~failed, ["expected", "deviation"]].notna().all(axis=None)
    assert frame.loc[failed, ["expected", "deviation"]].isna().all(axis=None)


def test_a_ladder_has_the_pick_for_every_budget_cheapest_first(searched: Run) -> None:
    results = Results.of(searched)
    budgets = results.budgets(5, {})
    assert budgets == sorted(budgets)
    ok = results.frame[results.frame["status"] == "ok"]
    assert (budgets[0], budgets[-1]) == (ok["ops"].min(), ok["ops"].max())
    ratios = [later / earlier for earlier, later in pairwise(budgets)]
    assert ratios == pytest.approx([ratios[0]] * 4, rel=1e-3), "evenly over the log"
    ladder = results.ladder(budgets[::-1], limits={})
    assert [picked.key for picked in ladder] == [results.pick({"ops": budget}).key for budget in budgets]
    assert all(picked.objectives["ops"] <= budget for picked, budget in zip(ladder, budgets, strict=True))
    by_size = results.ladder([1e6, 2e6], "size_bits")
    assert [picked.key for picked in by_size] == [
        results.pick({"size_bits": size} | searched.recipe.pick.limits).key for size in (1e6, 2e6)
    ]


def retraining(run: Run, networks: int | Literal["front"]) -> Results:
    """The results of the run if it retrains so many networks."""
    settings = run.recipe.retrain.model_copy(update={"networks": networks})
    return Results.of(replace(run, recipe=run.recipe.model_copy(update={"retrain": settings})))


def test_what_is_retrained_begins_with_the_pick_and_goes_down_to_the_cheapest(searched: Run) -> None:
    results = Results.of(searched)
    frame = results.frame[results.frame["ops"] <= 20_000].set_index("key")
    assert retraining(searched, 1).to_retrain() == [results.pick().key]
    keys = retraining(searched, 4).to_retrain()
    assert keys[0] == results.pick().key
    assert frame["ops"].idxmin() in keys
    assert 2 <= len(keys) == len(set(keys)) <= 4
    ops = [frame.loc[key, "ops"] for key in keys]
    assert ops[1:] == sorted(ops[1:], reverse=True)


def test_the_front_that_is_retrained_is_that_of_expected_errors_within_the_limits(searched: Run) -> None:
    results = Results.of(searched)
    frame = results.frame[results.frame["ops"] <= 20_000].set_index("key")
    keys = retraining(searched, "front").to_retrain()
    assert keys[0] == results.pick().key
    assert len(keys) == len(set(keys))
    for key, row in frame[frame["status"] == "ok"].iterrows():
        no_worse = (frame["expected"] <= row["expected"]) & (frame["ops"] <= row["ops"])
        better = (frame["expected"] < row["expected"]) | (frame["ops"] < row["ops"])
        if key != keys[0]:
            assert (key in keys) == (not (no_worse & better).any())


def test_a_limit_that_no_network_meets_is_refused(searched: Run) -> None:
    with pytest.raises(UsageError, match="ops ≤ 1"):
        Results.of(searched).pick({"ops": 1})


def test_a_run_without_a_journal_is_refused_with_the_command_to_run(tmp_path: Path) -> None:
    run = start("digits", tmp_path / "run", ["engine.device=cpu"])
    with pytest.raises(UsageError, match=f"evo-bnas search {run.folder}"):
        Results.of(run)
