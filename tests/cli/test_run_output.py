"""What is printed about picks, searches and trained networks, from values made here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evo_bnas.archive.pick import Pick
from evo_bnas.cli.output.run import pick_json, show
from evo_bnas.run.folder import Run
from evo_bnas.run.outcomes import Confirmed, RetrainedNetworks, SearchOutcome, TrainedSupernet
from evo_bnas.run.results import Results
from evo_bnas.run.start import start
from evo_bnas.search.problem import Problem
from tests.support.synthetic import run as search

PICK = Pick(
    key="c8-c16",
    objectives={"error": 0.025, "ops": 11_104.0, "size_bits": 124_000.0},
    expected=0.034,
    deviation=0.006,
    order=("c8-c16", "c8-c32"),
    equals=3,
    reason="It has the lowest expected error.",
)
TRAINED = {
    "key": "c8-c16",
    "ops": 11_104,
    "search_error": 0.025,
    "inherited_test_error": 0.05,
    "test_error": 0.04,
    "low": 0.021,
    "high": 0.068,
    "seeds": 1,
    "seed_low": 0.04,
    "seed_high": 0.04,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a journal of made-up scores."""
    run = start("digits", tmp_path_factory.mktemp("output") / "run", ["engine.device=cpu"])
    problem = Problem(run.space, ("error", "ops", "params"))
    search(run.journal_file, problem, "random", evaluations=20)
    return run


def retrained(run: Run, **changes: Any) -> RetrainedNetworks:
    return RetrainedNetworks(run, [], pd.DataFrame([TRAINED | changes]))


def test_a_pick_shows_what_is_known_of_it_and_the_runner_up(capsys: pytest.CaptureFixture[str]) -> None:
    show(PICK)
    printed = capsys.readouterr().out
    for text in ("c8-c16", "top-1 97.50 %", "ops 11,104", "size 15.5 kB", "96.6 ± 0.6 %", PICK.reason):
        assert text in printed
    assert "2 other networks" in printed
    assert "c8-c32" in printed


def test_a_pick_without_a_second_network_names_no_runner_up(capsys: pytest.CaptureFixture[str]) -> None:
    only = replace(PICK, order=("c8-c16",), equals=1)
    show(only)
    printed = capsys.readouterr().out
    assert "runner-up" not in printed
    assert "other network" not in printed
    assert pick_json(only)["runner_up"] is None


@pytest.mark.parametrize(("existed", "word"), [(True, "found"), (False, "trained")])
def test_a_supernet_is_found_or_trained(existed: bool, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(TrainedSupernet(Path("runs/out/digits/supernet.safetensors"), existed))
    assert capsys.readouterr().out == f"supernet {word}: runs/out/digits/supernet.safetensors\n"


def test_warnings_are_printed_one_a_line_to_stderr(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    results = Results.of(run)
    doubts = ["The networks guess. Train longer.", "Few images. Add some."]
    for outcome in (SearchOutcome("Done.", [], results, doubts), Confirmed(results, doubts)):
        show(outcome)
        assert capsys.readouterr().err.splitlines() == [f"warning: {doubt}" for doubt in doubts]


def test_a_search_marks_no_pick_that_confirming_may_change(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    def marked(networks: int) -> bool:
        changed = run.recipe.model_copy(
            update={"confirm": run.recipe.confirm.model_copy(update={"networks": networks})}
        )
        results = Results.of(replace(run, recipe=changed))
        assert results.recipe_pick is not None
        show(SearchOutcome("Done.", [], results, []))
        printed = capsys.readouterr().out.splitlines()
        return any(results.recipe_pick.key in line and "pick" in line for line in printed)

    assert marked(networks=0)
    assert not marked(networks=16)


def test_retrained_networks_show_their_intervals_and_files(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    show(retrained(run))
    printed = capsys.readouterr().out
    for text in ("97.50 %", "95.00 %", "96.00 %", "93.2 to 97.9 %", "11,104", "c8-c16", "trained.csv"):
        assert text in printed
    assert "seeds" not in printed


def test_several_seeds_are_shown_with_their_range(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    show(retrained(run, seeds=3, seed_low=0.03, seed_high=0.055))
    printed = capsys.readouterr().out
    assert "seeds" in printed
    assert "94.5 to 97.0 %" in printed


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_errors_that_were_not_measured_are_dashes(
    missing: float | None, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    show(retrained(run, search_error=missing, inherited_test_error=missing))
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "c8-c16" in line]
    assert row.split()[:2] == ["-", "-"]


def test_an_unknown_result_is_a_bug() -> None:
    with pytest.raises(TypeError, match="int"):
        show(3)
