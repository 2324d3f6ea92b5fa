"""The command line as a user and a script meet it: real processes, real files."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from evo_bnas.binary.network import load_network
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from evo_bnas.space import catalogue

SMALL = (
    "supernet.epochs=3",
    "search.evaluations=12",
    "search.batch=6",
    "search.population=6",
    "retrain.epochs=1",
    "engine.threads=1",
)  # fmt: skip


def evo_bnas(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evo_bnas", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def said(*words: object) -> str:
    done = evo_bnas(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    output = said("run", "digits", "--out", folder, *(word for item in SMALL for word in ("--set", item)))
    assert output.splitlines()[-1] == f"next, see other budgets: evo-bnas pick {folder} --ops 30k"
    return folder


def test_help_loads_nothing_heavy() -> None:
    check = (
        "import sys; from typer.testing import CliRunner; from evo_bnas.cli import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "print(sorted({'torch', 'pandas', 'numpy', 'pymoo', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_front_is_read_without_torch(run_folder: Path) -> None:
    check = (
        "import sys; from evo_bnas.cli import app;"
        f"app(['front', {str(run_folder)!r}], standalone_mode=False);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_a_run_leaves_what_the_design_says(run_folder: Path) -> None:
    for name in ("recipe.yaml", "space.yaml", "environment.json", "supernet.safetensors", "journal.jsonl"):
        assert (run_folder / name).stat().st_size > 0
    rounds = list(csv.DictReader((run_folder / "rounds.csv").read_text().splitlines()))
    assert [row["scored"] for row in rounds] == ["6"]
    assert -1 <= float(rounds[0]["cross_validated"]) <= 1
    assert (run_folder / "front.png").read_bytes().startswith(b"\x89PNG")
    assert not list((run_folder / "checkpoint").iterdir())
    environment = json.loads((run_folder / "environment.json").read_text())
    assert environment["compute"]["threads"] == 1
    assert environment["compute"]["precision"] in ("float32", "bfloat16")


@pytest.mark.slow
def test_the_front_in_three_forms_is_one_front(run_folder: Path) -> None:
    as_json = json.loads(said("front", run_folder, "--format", "json"))
    as_csv = list(csv.DictReader(io.StringIO(said("front", run_folder, "--format", "csv"))))
    keys = [row["key"] for row in as_json["front"]]
    assert keys == [row["key"] for row in as_csv]
    table = said("front", run_folder)
    assert all(key in table for key in keys)
    assert as_json["objectives"] == ["error", "ops", "params"]
    assert 0 < as_json["hypervolume"] <= 1


@pytest.mark.slow
def test_a_pick_keeps_to_its_limits_and_names_the_runner_up(run_folder: Path) -> None:
    found = json.loads(said("pick", run_folder, "--ops", "60k", "--size", "200kB", "--format", "json"))
    assert found["ops"] <= 60_000
    assert found["size_bits"] <= 200_000 * 8
    assert found["runner_up"] != found["key"]
    assert found["key"] in said("pick", run_folder, "--ops", "60k", "--size", "200kB")
    assert "knee" in json.loads(said("pick", run_folder, "--knee", "--format", "json"))["reason"]
    assert "cheapest" in json.loads(said("pick", run_folder, "--within", "1%", "--format", "json"))["reason"]


@pytest.mark.slow
def test_a_retrained_network_is_what_its_card_says(run_folder: Path) -> None:
    (card_file,) = run_folder.glob("picks/*/card.json")
    card = json.loads(card_file.read_text())
    network = load_network(card_file.with_name("network.safetensors"))
    run = Run.open(run_folder)
    test = inputs.images(run).test
    with torch.no_grad():
        wrong = (network(test[:]).argmax(1) != test.y).float().mean().item()
    assert wrong == pytest.approx(card["test_error"])
    assert (
        card["cost"]["ops"] == json.loads(said("cost", "elastic-8", card["key"], "--format", "json"))["ops"]
    )
    assert card["recipe"] == run.recipe.hash


@pytest.mark.slow
def test_the_same_command_again_changes_nothing(run_folder: Path) -> None:
    before = {
        path: path.read_bytes() for path in run_folder.rglob("*") if path.suffix in (".jsonl", ".safetensors")
    }
    said("run", "digits", "--out", run_folder, *(word for item in SMALL for word in ("--set", item)))
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.slow
def test_a_run_grows_with_its_evaluations(run_folder: Path) -> None:
    more = [item.replace("=12", "=15") for item in SMALL]
    said("search", "digits", "--out", run_folder, *(word for item in more for word in ("--set", item)))
    assert len(Results.of(Run.open(run_folder)).frame) == 15
    refused = evo_bnas("run", "digits", "--out", run_folder, "--set", "supernet.epochs=4")
    assert refused.returncode == 2
    assert "supernet.epochs" in refused.stderr


@pytest.mark.slow
def test_a_replaced_supernet_is_noticed(run_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    changed = (*SMALL, "seed=1")
    options = [word for item in changed for word in ("--set", item)]
    said("train", "digits", "--out", other, *options)
    (run_folder / "supernet.safetensors").rename(run_folder / "kept")
    (run_folder / "supernet.safetensors").write_bytes((other / "supernet.safetensors").read_bytes())
    refused = evo_bnas("search", run_folder)
    (run_folder / "kept").replace(run_folder / "supernet.safetensors")
    assert refused.returncode == 2
    assert "holds scores of weights" in refused.stderr


def test_reactnet_a_costs_what_its_authors_say() -> None:
    assert json.loads(said("cost", "group-mobile-224", "largest", "--format", "json"))["ops"] == 87_126_016
    assert "87,126,016" in said("cost", "group-mobile-224", "largest")


def test_more_classes_cost_more() -> None:
    ten, hundred = (
        json.loads(said("cost", "elastic-8", "smallest", "--classes", n, "--format", "json"))
        for n in (10, 100)
    )
    assert hundred["ops"] - ten["ops"] == 90 * 64


def test_spaces_are_listed_for_scripts() -> None:
    rows = {row["name"]: row for row in json.loads(said("spaces", "--format", "json"))}
    assert rows["group-mobile-224"]["ops"]["most"] == 87_126_016
    assert all(row["ops"]["least"] < row["ops"]["median"] < row["ops"]["most"] for row in rows.values())
    one = json.loads(said("spaces", "elastic-8", "--format", "json"))
    assert one["architectures"] == rows["elastic-8"]["architectures"]
    assert {"name": "stage1.block1.kernel", "options": [3, 5]} in one["genes"]


def test_a_network_is_drawn_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "drawings"
    output = said("spaces", "elastic-8", "smallest", "--out", folder)
    assert said("cost", "elastic-8", "smallest").strip() in output
    svg, png = sorted(folder.iterdir(), reverse=True)
    assert (svg.name, png.name) == tuple(
        f"elastic-8-c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4.{f}" for f in ("svg", "png")
    )
    assert str(svg) in output
    assert "<svg" in svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_network_drawn_at_random_is_one_of_its_space(tmp_path: Path) -> None:
    drawn = json.loads(said("spaces", "op-chain-8", "random", "--out", tmp_path, "--format", "json"))
    assert catalogue.load("op-chain-8").parse(drawn["key"]).key == drawn["key"]
    assert sorted(drawn["drawings"]) == sorted(map(str, tmp_path.iterdir()))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["elastic-8", "c8-oops"], "write it like"),
        (["elastik-8", "smallest"], 'did you mean "elastic-8"?'),
        (["elastic-8", "smallest", "--out", "file/folder"], "name a folder to write to"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_file(words: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = evo_bnas("spaces", *words, cwd=tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("search: {evaluatons: 5}", 'search.evaluatons: unknown key; did you mean "evaluations"?'),
        ("search: {evaluations: many}", "search.evaluations: "),
        ("search: {evaluations: 20q}", "is no quantity"),
        ("space: elastic-9", 'did you mean "elastic-8"?'),
        ("search: {explorer: nsga3}", 'did you mean "nsga2"?'),
        ("search: {objectives: [eror, ops]}", 'did you mean "error"?'),
        ("data: {name: digit}", 'did you mean "digits"?'),
        ("pick: {limits: {ops: 1}}", "no network of elastic-8 has ops ≤ 1; the smallest has 6,208"),
        ("search: {limits: {ops: 1}}", "no network of elastic-8 has ops ≤ 1; the smallest has 6,208"),
        ("search: [unclosed", "is no YAML"),
        ("seed: !!python/object/apply:os.system ['touch hacked']", "use plain values"),
        ("engine: {workers: 0}", "workers"),
    ],
)
def test_a_bad_recipe_ends_with_a_sentence_and_nothing_written(
    content: str, message: str, tmp_path: Path
) -> None:
    base = {"data": "data: {name: digits}", "space": "space: elastic-8"}
    kept = [line for key, line in base.items() if not content.startswith(key)]
    recipe = tmp_path / "x.yaml"
    recipe.write_text("\n".join([*kept, content]))
    refused = evo_bnas("run", recipe, cwd=tmp_path)
    assert refused.returncode == 2, refused.stderr
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["front", "nowhere"], "nowhere"),
        (["cost", "elastic-8", "c8-oops"], "write it like"),
        (["cost", "elastic-8", "smallest", "--profile", "mine"], "choose from default, nas-bnn"),
        (["spaces", "elastik-8"], 'did you mean "elastic-8"?'),
        (["run", "digit"], 'did you mean "digits"?'),
        (["run", "digits", "--set", "search.evaluations"], "search.evaluations=50"),
    ],
)
def test_wrong_use_ends_with_a_way_out(words: list[str], message: str, tmp_path: Path) -> None:
    refused = evo_bnas(*words, cwd=tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
def test_a_second_writer_is_refused_while_a_reader_is_not(run_folder: Path) -> None:
    with Run.open(run_folder).lock():
        refused = evo_bnas("search", run_folder)
        assert refused.returncode == 2
        assert "another process is writing here" in refused.stderr
        said("front", run_folder)


@pytest.mark.slow
def test_a_damaged_journal_line_is_named_by_its_number(run_folder: Path, tmp_path: Path) -> None:
    journal = run_folder / "journal.jsonl"
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"{oops\n", *lines[3:]]))
    refused = evo_bnas("front", run_folder)
    journal.write_bytes(whole)
    assert refused.returncode == 2
    assert "line 3" in refused.stderr
