import json
from pathlib import Path

import numpy as np
import pytest

from analysis import search_efficiency
from analysis.search_efficiency import Curve, true_hypervolume
from analysis.trial import Trial
from evo_bnas.archive.front import Hypervolume
from evo_bnas.search.problem import Problem
from tests.support.synthetic import separable_table

TABLE = separable_table()
PROBLEM = Problem(TABLE, ("error", "ops"))


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    lines = ["gene_0,gene_1,gene_2,gene_3,error,ops"]
    lines += [f"{','.join(key)},{score['error']},{score['ops']}" for key, score in TABLE.scores.items()]
    path = tmp_path / "separable.csv"
    path.write_text("\n".join(lines))
    return path


def test_repeated_calls_count_once_and_what_goes_beyond_the_budget_not_at_all() -> None:
    trial = Trial.of(["a", "b", "a", "c", "d"], 3, 0.5)
    assert trial == Trial(("a", "b", "c"), calls=5, distinct=4, seconds=0.5)


def test_a_goal_is_reached_with_the_evaluation_that_reaches_it() -> None:
    keys = tuple(TABLE.scores)
    full = Curve("all", [Trial(keys, 81, 81, 0.0)] * 3, PROBLEM, TABLE)
    volume = Hypervolume(PROBLEM.objectives, PROBLEM.bounds())
    for key in keys:
        volume.add(TABLE.scores[key])
    fractions = np.array(volume.trace) / true_hypervolume(PROBLEM, TABLE)
    needed = int(np.argmax(fractions >= 0.99))
    assert full.until(0.99) == [needed + 1] * 3
    assert full.after(81) == full.after(500) == [1.0] * 3
    dry = Curve("dry", [Trial(keys[:5], 50, 5, 0.0)] * 3, PROBLEM, TABLE)
    assert dry.until(0.99) == [np.inf] * 3
    assert dry.calls_per_distinct == 10


def test_half_of_the_seeds_reaching_a_goal_is_no_median() -> None:
    keys = tuple(TABLE.scores)
    trials = [Trial(keys, 81, 81, 0.0)] * 2 + [Trial(keys[:5], 5, 5, 0.0)] * 2
    low, median, high = Curve("half", trials, PROBLEM, TABLE).until(0.99)
    assert np.isfinite(low)
    assert median == high == np.inf


def test_the_study_prints_one_json_object_and_draws_a_picture(
    table_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search_efficiency.main(
        ["--table", str(table_file), "--explorers", "random,nsga2", "--objectives", "error,ops",
         "--seeds", "2", "--evaluations", "81", "--polish", "10", "--out", str(tmp_path), "--format", "json"]
    )  # fmt: skip
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["hypervolume"] == pytest.approx(true_hypervolume(PROBLEM, TABLE))
    assert set(figures["methods"]) == {"random", "nsga2"}
    for method in figures["methods"].values():
        assert method["after_81"] == [1.0] * 3
        assert method["calls_per_distinct"] == 1.0
    assert (tmp_path / "search_efficiency.png").stat().st_size > 10_000


@pytest.mark.slow
def test_peers_are_measured_by_their_distinct_evaluations(
    table_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from analysis.peers import PEERS

    search_efficiency.main(
        ["--table", str(table_file), "--explorers", "", "--objectives", "error,ops", "--seeds", "1",
         "--evaluations", "40", "--peers"]
    )  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == list(PEERS)


def test_an_unknown_explorer_is_refused(table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        search_efficiency.main(
            ["--table", str(table_file), "--explorers", "nsga", "--objectives", "error,ops"]
        )
    assert exit_.value.code == 2
    assert "unknown explorer 'nsga'; did you mean \"nsga2\"?" in capsys.readouterr().err
