"""The commands of a run, on one small run, without starting processes."""

import csv
import io
import json
from pathlib import Path

import pytest
import torch

from evo_bnas.binary.network import load_network
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from tests.support.commands import invoke, overrides, printed

SMALL = (
    "supernet.epochs=3",
    "supernet.min_steps=0",
    "search.evaluations=12",
    "search.batch=6",
    "search.population=6",
    "confirm.networks=5",
    "confirm.epochs=[1]",
    "confirm.min_steps=0",
    "pick.limits={}",
    "retrain.epochs=1",
    "retrain.min_steps=0",
    "engine.threads=1",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    output = printed("run", "digits", "--out", folder, *overrides(*SMALL))
    assert output.splitlines()[-1].endswith(f"evo-bnas pick {folder} --front 6")
    return folder


def test_a_run_writes_all_its_files(run_folder: Path) -> None:
    for name in ("recipe.yaml", "space.yaml", "environment.json", "supernet.safetensors", "journal.jsonl"):
        assert (run_folder / name).stat().st_size > 0
    rounds = list(csv.DictReader((run_folder / "rounds.csv").read_text().splitlines()))
    assert [row["scored"] for row in rounds] == ["6"]
    assert -1 <= float(rounds[0]["cross_validated"]) <= 1
    for name in ("front.png", "ladder.png"):
        assert (run_folder / name).read_bytes().startswith(b"\x89PNG")
    trained = list(csv.DictReader((run_folder / "trained.csv").read_text().splitlines()))
    assert [row["key"] for row in trained] == [file.name for file in (run_folder / "picks").iterdir()]
    assert not list((run_folder / "checkpoint").iterdir())
    environment = json.loads((run_folder / "environment.json").read_text())
    assert environment["compute"]["threads"] == 1
    assert environment["compute"]["precision"] in ("float32", "bfloat16")


def test_a_run_prints_its_stages_in_order(run_folder: Path) -> None:
    """Run again, it finds everything done and prints the same results."""
    output = printed("run", "digits", "--out", run_folder, *overrides(*SMALL))
    stages = (
        "plan ",
        "supernet found: ",
        "search ended: ",
        "on the front of",
        "confirmed 5 networks",
        "\npick ",
        "test, retrained",
        "a pick for each budget of ops",
    )
    places = [output.index(text) for text in stages]
    assert places == sorted(places)
    assert "fell back to NSGA-II" in output


def test_the_front_is_the_same_as_table_csv_and_json(run_folder: Path) -> None:
    as_json = json.loads(printed("front", run_folder, "--format", "json"))
    as_csv = list(csv.DictReader(io.StringIO(printed("front", run_folder, "--format", "csv"))))
    keys = [row["key"] for row in as_json["front"]]
    assert keys == [row["key"] for row in as_csv]
    table = printed("front", run_folder)
    assert all(key in table for key in keys)
    assert as_json["objectives"] == ["error", "ops", "params"]
    assert 0 < as_json["hypervolume"] <= 1


def test_the_front_as_csv_has_the_columns_of_the_file(run_folder: Path) -> None:
    on_screen = printed("front", run_folder, "--format", "csv").splitlines()[0]
    assert on_screen == (run_folder / "front.csv").read_text().splitlines()[0]


def test_a_pick_is_within_its_limits_and_has_a_runner_up(run_folder: Path) -> None:
    limits = ("--ops", "60k", "--size", "200kB")
    pick = json.loads(printed("pick", run_folder, *limits, "--format", "json"))
    assert pick["ops"] <= 60_000
    assert pick["size_bits"] <= 200_000 * 8
    assert pick["runner_up"] != pick["key"]
    assert pick["key"] in printed("pick", run_folder, *limits)
    assert "knee" in json.loads(printed("pick", run_folder, "--knee", "--format", "json"))["reason"]
    within = json.loads(printed("pick", run_folder, "--within", "1%", "--format", "json"))
    assert "cheapest" in within["reason"]


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("--ops", "many"), "20k"),
        (("--ops", "1"), "6,208"),
        (("--size", "10ms"), "kB"),
        (("--size", "100000"), "100000B"),
        (("--latency", "5"), "5ms"),
        (("--within", "x"), "--within"),
        (("--ladder", "1,20k"), "6,208"),
        (("--ladder", "size=10,20kB"), "10B"),
        (("--ladder", "siz=10kB"), 'did you mean "size"?'),
        (("--ladder", "latency=2ms"), "memory"),
        (("--ladder", "10k,many"), "20k"),
        (("--ladder", "10k,"), "20k"),
        (("--front", "1"), "2"),
    ],
)
def test_a_wrong_limit_is_refused_with_its_value(
    run_folder: Path, words: tuple[str, str], way_out: str
) -> None:
    refused = invoke("pick", run_folder, *words)
    assert refused.exit_code == 2
    assert words[0] in refused.stderr or words[1].partition(",")[0] in refused.stderr
    assert way_out in refused.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--knee", "--within", "1%"),
        ("--ladder", "10k,20k", "--knee"),
        ("--ladder", "10k,20k", "--front", "3"),
        ("--front", "3", "--within", "1%"),
        ("--ladder", "10k,20k", "--ops", "30k"),
        ("--ladder", "size=10kB", "--size", "30kB"),
    ],
)
def test_options_that_exclude_each_other_are_refused_by_name(
    run_folder: Path, words: tuple[str, ...]
) -> None:
    refused = invoke("pick", run_folder, *words)
    assert refused.exit_code == 2
    assert all(word in refused.stderr for word in words if word.startswith("--"))


def test_a_ladder_has_one_pick_for_each_budget(run_folder: Path) -> None:
    result = json.loads(printed("pick", run_folder, "--ladder", "60k,20k", "--format", "json"))
    assert result["cost"] == "ops"
    assert [rung["budget"] for rung in result["ladder"]] == [20_000, 60_000]
    for rung in result["ladder"]:
        alone = json.loads(printed("pick", run_folder, "--ops", f"{rung['budget']:.0f}", "--format", "json"))
        assert alone == {name: rung[name] for name in alone}
    table = printed("pick", run_folder, "--ladder", "60k,20k")
    assert all(rung["key"] in table for rung in result["ladder"])
    assert Path(result["figure"]) == run_folder / "ladder.png"


def test_a_ladder_of_another_cost_combines_with_limits(run_folder: Path) -> None:
    words = ("--ladder", "size=20kB,40KiB", "--ops", "60k", "--format", "json")
    result = json.loads(printed("pick", run_folder, *words))
    assert (result["cost"], result["limits"]) == ("size_bits", {"ops": 60_000})
    assert [rung["budget"] for rung in result["ladder"]] == [160_000, 40 * 1024 * 8]
    for rung in result["ladder"]:
        assert rung["size_bits"] <= rung["budget"]
        assert rung["ops"] <= 60_000


def test_a_front_of_picks_reaches_from_the_cheapest_network_to_the_limit(run_folder: Path) -> None:
    ops = Results.of(Run.open(run_folder)).frame["ops"]
    result = json.loads(printed("pick", run_folder, "--front", "3", "--ops", "60k", "--format", "json"))
    budgets = [rung["budget"] for rung in result["ladder"]]
    assert budgets == sorted(budgets)
    assert (budgets[0], budgets[-1]) == (ops.min(), ops[ops <= 60_000].max())
    assert budgets[1] == pytest.approx((budgets[0] * budgets[2]) ** 0.5, abs=1)


def test_a_ladder_shows_test_errors_and_names_the_networks_to_retrain(run_folder: Path) -> None:
    cards = {card.parent.name: json.loads(card.read_text()) for card in run_folder.glob("picks/*/card.json")}
    words = ("--ladder", "10k,20k,120k")
    rungs = json.loads(printed("pick", run_folder, *words, "--format", "json"))["ladder"]
    assert {rung["key"] for rung in rungs} & set(cards), "the recipe retrains its pick"
    for rung in rungs:
        assert rung["test_error"] == (cards[rung["key"]]["test_error"] if rung["key"] in cards else None)
    *_, command = printed("pick", run_folder, *words).splitlines()
    untrained = dict.fromkeys(rung["key"] for rung in rungs if rung["key"] not in cards)
    assert command.endswith(f"evo-bnas retrain {run_folder} {' '.join(untrained)}")


def test_a_figure_that_cannot_be_written_is_refused_by_its_name(run_folder: Path) -> None:
    figure = run_folder / "ladder.png"
    figure.unlink()
    figure.mkdir()
    refused = invoke("pick", run_folder, "--front", "2")
    figure.rmdir()
    assert refused.exit_code == 2
    assert "ladder.png" in refused.stderr


def test_named_networks_are_retrained_beside_those_before(run_folder: Path) -> None:
    known = {file.name for file in (run_folder / "picks").iterdir()}
    frame = Results.of(Run.open(run_folder)).frame
    key = next(key for key in frame["key"] if key not in known)
    output = printed("retrain", run_folder, key)
    trained = list(csv.DictReader((run_folder / "trained.csv").read_text().splitlines()))
    assert {row["key"] for row in trained} == known | {key}
    for row in trained:
        assert row["key"] in output
        assert float(row["low"]) <= float(row["test_error"]) <= float(row["high"])
    for file in (run_folder / "trained.csv", run_folder / "front.png", run_folder / "picks" / key):
        assert str(file) in output


def test_a_card_describes_its_network(run_folder: Path) -> None:
    card_file = next(run_folder.glob("picks/*/card.json"))
    card = json.loads(card_file.read_text())
    network = load_network(card_file.with_name("network.safetensors"))
    run = Run.open(run_folder)
    test = inputs.images(run).test
    with torch.no_grad():
        wrong = (network(test[:]).argmax(1) != test.y).float().mean().item()
    assert wrong == pytest.approx(card["test_error"])
    counted = json.loads(printed("cost", "elastic-8", card["key"], "--format", "json"))
    assert card["cost"]["ops"] == counted["ops"]
    assert card["recipe"] == run.recipe.hash


def test_the_same_command_changes_nothing(run_folder: Path) -> None:
    suffixes = (".jsonl", ".safetensors")
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.suffix in suffixes}
    printed("run", "digits", "--out", run_folder, *overrides(*SMALL))
    assert before == {path: path.read_bytes() for path in before}


def test_a_search_can_be_extended_and_a_training_cannot(run_folder: Path) -> None:
    more = [item.replace("=12", "=15") for item in SMALL]
    printed("search", "digits", "--out", run_folder, *overrides(*more))
    assert len(Results.of(Run.open(run_folder)).frame) == 15
    refused = invoke("run", "digits", "--out", run_folder, "--set", "supernet.epochs=4")
    assert refused.exit_code == 2
    assert "supernet.epochs" in refused.stderr


def test_a_replaced_supernet_is_refused(run_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    printed("train", "digits", "--out", other, *overrides(*SMALL, "seed=1"))
    (run_folder / "supernet.safetensors").rename(run_folder / "kept")
    (run_folder / "supernet.safetensors").write_bytes((other / "supernet.safetensors").read_bytes())
    refused = invoke("search", run_folder)
    (run_folder / "kept").replace(run_folder / "supernet.safetensors")
    assert refused.exit_code == 2
    assert "journal.jsonl" in refused.stderr
    assert "--out" in refused.stderr


def test_options_of_a_recipe_are_refused_for_a_folder(run_folder: Path) -> None:
    refused = invoke("run", run_folder, "--set", "seed=1")
    assert refused.exit_code == 2
    assert "--set" in refused.stderr


def test_a_second_writer_is_refused_and_a_reader_is_not(run_folder: Path) -> None:
    with Run.open(run_folder).lock():
        refused = invoke("search", run_folder)
        assert refused.exit_code == 2
        assert str(run_folder) in refused.stderr
        printed("front", run_folder)


def test_a_damaged_journal_line_is_reported_with_its_number(run_folder: Path) -> None:
    journal = run_folder / "journal.jsonl"
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"{oops\n", *lines[3:]]))
    refused = invoke("front", run_folder)
    journal.write_bytes(whole)
    assert refused.exit_code == 2
    assert "line 3" in refused.stderr
