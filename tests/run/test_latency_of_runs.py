"""Latency as an objective and a limit of a run, and the profile of its networks."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evo_bnas import recipe
from evo_bnas.archive.journal import read
from evo_bnas.archive.pick import pick
from evo_bnas.cli import app
from evo_bnas.errors import UsageError
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results, worst
from evo_bnas.run.search import search as search_stage
from evo_bnas.run.start import start
from evo_bnas.run.train import train as train_stage
from tests.support.short_runs import SHORT

OVERRIDES = (
    *SHORT,
    "search.evaluations=5",
    "search.batch=4",
    "search.population=4",
    "search.objectives=[error, latency_ms]",
    "pick.limits={latency_ms: 1000}",
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = start("digits", tmp_path_factory.mktemp("latency") / "run", OVERRIDES)
    train_stage(run)
    search_stage(run)
    return run


def test_a_search_minimises_latency(searched: Run) -> None:
    result = Results.of(searched).frame
    assert (result["status"] == "ok").all()
    assert (result["latency_ms"] > 0).all()
    largest = json.loads(searched.latency_file.read_text())
    assert largest["key"] == searched.space.largest().key
    assert worst(searched) == {"latency_ms": largest["ms"]}
    assert 0 <= Results.of(searched).hypervolume <= 1
    assert Results.of(searched).hypervolume_trace()[-1] == pytest.approx(Results.of(searched).hypervolume)
    front = Results.of(searched).front
    assert front["latency_ms"].is_monotonic_increasing
    assert Results.of(searched).pick().objectives["latency_ms"] <= 1000
    assert (
        Results.of(searched).pick({"latency_ms": float(front["latency_ms"].min())}).key
        == front["key"].iloc[0]
    )


def test_a_repeated_search_measures_nothing_again(searched: Run) -> None:
    before, bound = searched.journal_file.read_bytes(), searched.latency_file.read_bytes()
    search_stage(searched)
    assert (searched.journal_file.read_bytes(), searched.latency_file.read_bytes()) == (before, bound)


def test_the_protocol_of_scores_with_a_latency_names_the_machine(searched: Run) -> None:
    protocols = {score.protocol for _, score in read(searched.journal_file, searched.space).scored}
    conditions = inputs.evaluator(searched).protocol
    assert protocols == {conditions.hash}
    assert conditions.host


def test_a_profile_is_printed_as_a_table_and_as_json(searched: Run) -> None:
    blueprint = searched.space.draw(searched.space.parse(Results.of(searched).pick().key))
    words = ["profile", str(searched.folder)]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0
    for node in blueprint.nodes:
        assert len(re.findall(rf"^{re.escape(node.name)} ", shown.stdout, re.MULTILINE)) == 1
    row = json.loads(CliRunner().invoke(app, [*words, "--format", "json"]).stdout)
    assert [node["name"] for node in row["nodes"]] == [node.name for node in blueprint.nodes]
    assert sum(node["share"] for node in row["nodes"]) == pytest.approx(1)
    assert row["latency_ms"] > 0
    plot = Path(row["figure"])
    assert plot.parent == searched.pick_folder(row["key"])
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_any_network_of_the_space_can_be_profiled(searched: Run) -> None:
    words = ["profile", str(searched.folder), "smallest", "--format", "json"]
    assert json.loads(CliRunner().invoke(app, words).stdout)["key"] == searched.space.smallest().key


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("search.limits={latency_ms: 2}", r"latency_ms.*search\.objectives"),
        ("pick.limits={latency_ms: 2}", r"latency_ms.*search\.objectives"),
        ("pick.limits={latency_ms: 2kB}", "'2kB'"),
    ],
)
def test_a_limit_on_a_latency_that_is_not_measured_is_refused(override: str, parts: str) -> None:
    with pytest.raises(UsageError, match=parts):
        recipe.load("digits", [override])


def limited(run: Run, ms: float) -> Run:
    """The same run with a limit on latency."""
    search = run.recipe.search.model_copy(update={"limits": {"latency_ms": ms}})
    return replace(run, recipe=run.recipe.model_copy(update={"search": search}))


def test_networks_beyond_a_limit_are_recorded_but_not_on_the_front(searched: Run) -> None:
    result = Results.of(searched).frame
    limit = float(result["latency_ms"].median())
    within = limited(searched, limit)
    assert len(Results.of(within).frame) == len(result)
    assert (Results.of(within).front["latency_ms"] <= limit).all()
    assert Results.of(within).pick({"latency_ms": 1000}).objectives["latency_ms"] <= limit
    assert Results.of(within).hypervolume_trace()[-1] == pytest.approx(Results.of(within).hypervolume)


def test_if_no_network_meets_the_limit_the_front_is_refused_and_the_figure_is_drawn(searched: Run) -> None:
    nothing = limited(searched, 1e-6)
    with pytest.raises(UsageError, match="latency_ms ≤ 1e-06"):
        _ = Results.of(nothing).front
    before = searched.front_csv.read_bytes()
    searched.front_png.unlink()
    Results.of(nothing).write()
    assert nothing.front_png.exists()
    assert searched.front_csv.read_bytes() == before


def test_a_limit_on_latency_is_accepted_if_it_is_an_objective() -> None:
    wanted = ["search.objectives=[error, latency_ms]", "search.limits={latency_ms: 0.5}"]
    assert recipe.load("digits", wanted).search.limits == {"latency_ms": 0.5}


def test_a_pick_by_a_latency_that_was_not_measured_is_refused(searched: Run) -> None:
    without = Results.of(searched).frame.drop(columns="latency_ms")
    with pytest.raises(UsageError, match="'latency_ms'"):
        pick(without, {"latency_ms": 1.0})
