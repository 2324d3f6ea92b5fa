"""Latency: measured on this host, known by shape, searched over, and shown node by node."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from evo_bnas import recipe
from evo_bnas.archive.journal import read
from evo_bnas.archive.pick import pick
from evo_bnas.cli import app
from evo_bnas.errors import UsageError
from evo_bnas.packed import latency
from evo_bnas.packed.latency import LatencyMeter, node_times, program_of
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results, worst
from evo_bnas.run.search import search as search_stage
from evo_bnas.run.start import start
from evo_bnas.run.train import train as train_stage
from tests.support.strategies import SPACES

SPACE = SPACES["elastic-8"]
OVERRIDES = (
    "supernet.epochs=1",
    "search.evaluations=5",
    "search.batch=4",
    "search.population=4",
    "search.objectives=[error, latency_ms]",
    "pick.limits={latency_ms: 1000}",
    "engine.threads=1",
    "engine.device=cpu",
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = start("digits", tmp_path_factory.mktemp("latency") / "run", OVERRIDES)
    train_stage(run)
    search_stage(run)
    return run


def test_a_latency_is_positive_and_says_how_well_it_is_known() -> None:
    found = latency.latency(program_of(SPACE.draw(SPACE.smallest())))
    assert found.ms > 0
    assert found.spread >= 0
    assert found.runs >= 10


def test_a_latency_is_measured_once_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    whole = latency.latency
    monkeypatch.setattr(latency, "latency", lambda program: measured.append(program) or whole(program))
    meter = LatencyMeter()
    blueprints = [SPACE.draw(one) for one in (SPACE.smallest(), SPACE.largest(), SPACE.smallest())]
    small, large, again = map(meter, blueprints)
    assert small == again
    assert small > 0
    assert large > 0
    assert len(measured) == 2


def test_the_spread_of_a_median_falls_with_the_runs() -> None:
    times = np.random.default_rng(0).exponential(size=4000).tolist()
    few, many = latency._median_spread(times[:40]), latency._median_spread(times)
    assert 0 < many < few
    # What the estimates of the median of 400 such values scatter by: half of them lie in a range as wide.
    medians = np.median(np.random.default_rng(1).exponential(size=(2000, 400)), axis=1)
    low, high = np.quantile(medians, [0.25, 0.75])
    assert latency._median_spread(times[:400]) == pytest.approx((high - low) / np.median(medians), rel=0.5)
    assert latency._median_spread([2.0] * 10) == 0


@pytest.mark.parametrize("name", ["elastic-8", "binary-cell-8", "op-chain-8"])
def test_a_profile_has_every_node_once(name: str) -> None:
    blueprint = SPACES[name].draw(SPACES[name].smallest())
    nodes = node_times(blueprint, program_of(blueprint))
    assert [node.name for node in nodes] == [node.name for node in blueprint.nodes]
    assert sum(node.share for node in nodes) == pytest.approx(1)
    assert all(node.ms > 0 or node.kind == "read in place" for node in nodes)


def test_a_search_minimises_latency(searched: Run) -> None:
    found = Results.of(searched).frame
    assert (found["status"] == "ok").all()
    assert (found["latency_ms"] > 0).all()
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


def test_what_the_journal_holds_is_not_measured_again(searched: Run) -> None:
    before, bound = searched.journal_file.read_bytes(), searched.latency_file.read_bytes()
    search_stage(searched)
    assert (searched.journal_file.read_bytes(), searched.latency_file.read_bytes()) == (before, bound)


def test_scores_with_a_latency_have_the_protocol_of_a_host(searched: Run) -> None:
    protocols = {score.protocol for _, score in read(searched.journal_file, searched.space).scored}
    conditions = inputs.evaluator(searched).protocol
    assert protocols == {conditions.hash}
    assert conditions.host


def test_a_profile_is_shown_to_a_person_and_to_a_script(searched: Run) -> None:
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
    plot = Path(row["plot"])
    assert plot.parent == searched.pick_folder(row["key"])
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_any_network_of_the_space_is_profiled(searched: Run) -> None:
    asked = ["profile", str(searched.folder), "smallest", "--format", "json"]
    assert json.loads(CliRunner().invoke(app, asked).stdout)["key"] == SPACE.smallest().key


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.limits={latency_ms: 2}", "latency_ms is measured only where search.objectives names it"),
        ("pick.limits={latency_ms: 2}", "latency_ms is measured only where search.objectives names it"),
        ("pick.limits={latency_ms: 2kB}", "'2kB' has the unit B"),
    ],
)
def test_a_limit_on_latency_that_cannot_be_kept_is_refused(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipe.load("digits", [override])


def limited(run: Run, ms: float) -> Run:
    """The same run, searched within a limit."""
    asked = run.recipe.search.model_copy(update={"limits": {"latency_ms": ms}})
    return replace(run, recipe=run.recipe.model_copy(update={"search": asked}))


def test_what_is_beyond_a_limit_of_the_search_is_on_record_but_not_on_the_front(searched: Run) -> None:
    found = Results.of(searched).frame
    limit = float(found["latency_ms"].median())
    within = limited(searched, limit)
    assert len(Results.of(within).frame) == len(found)
    assert (Results.of(within).front["latency_ms"] <= limit).all()
    assert Results.of(within).pick({"latency_ms": 1000}).objectives["latency_ms"] <= limit
    assert Results.of(within).hypervolume_trace()[-1] == pytest.approx(Results.of(within).hypervolume)


def test_a_limit_that_nothing_kept_to_is_said_and_the_picture_is_drawn_all_the_same(searched: Run) -> None:
    nothing = limited(searched, 1e-6)
    with pytest.raises(UsageError, match="latency_ms ≤ 1e-06"):
        _ = Results.of(nothing).front
    before = searched.front_csv.read_bytes()
    searched.front_png.unlink()
    Results.of(nothing).write()
    assert nothing.front_png.exists()
    assert searched.front_csv.read_bytes() == before


def test_a_limit_on_latency_is_read_where_it_is_an_objective() -> None:
    wanted = ["search.objectives=[error, latency_ms]", "search.limits={latency_ms: 0.5}"]
    assert recipe.load("digits", wanted).search.limits == {"latency_ms": 0.5}


def test_a_pick_by_a_latency_that_was_not_measured_is_refused(searched: Run) -> None:
    without = Results.of(searched).frame.drop(columns="latency_ms")
    with pytest.raises(UsageError, match="limit 'latency_ms'"):
        pick(without, {"latency_ms": 1.0})
