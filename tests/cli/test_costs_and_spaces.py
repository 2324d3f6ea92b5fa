"""The commands that need no run: `spaces` and `cost`."""

import json
from pathlib import Path

import pytest

from evo_bnas.space import catalogue
from tests.support.commands import invoke, printed


def test_reactnet_a_costs_what_its_authors_report() -> None:
    assert json.loads(printed("cost", "group-mobile-224", "largest", "--format", "json"))["ops"] == 87_126_016
    assert "87,126,016" in printed("cost", "group-mobile-224", "largest")


def test_more_classes_cost_more() -> None:
    ten, hundred = (
        json.loads(printed("cost", "elastic-8", "smallest", "--classes", n, "--format", "json"))
        for n in (10, 100)
    )
    assert hundred["ops"] - ten["ops"] == 90 * 64


def test_spaces_are_listed_as_json() -> None:
    rows = {row["name"]: row for row in json.loads(printed("spaces", "--format", "json"))}
    assert rows["group-mobile-224"]["ops"]["most"] == 87_126_016
    assert all(row["ops"]["least"] < row["ops"]["median"] < row["ops"]["most"] for row in rows.values())
    one = json.loads(printed("spaces", "elastic-8", "--format", "json"))
    assert one["architectures"] == rows["elastic-8"]["architectures"]
    assert {"name": "stage1.block1.kernel", "options": [3, 5]} in one["genes"]


def test_a_network_is_drawn_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "drawings"
    output = printed("spaces", "elastic-8", "smallest", "--out", folder)
    assert printed("cost", "elastic-8", "smallest").strip() in output
    svg, png = sorted(folder.iterdir(), reverse=True)
    assert (svg.name, png.name) == tuple(
        f"elastic-8-c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4.{f}" for f in ("svg", "png")
    )
    assert str(svg) in output
    assert "<svg" in svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_random_network_belongs_to_its_space(tmp_path: Path) -> None:
    drawn = json.loads(printed("spaces", "op-chain-8", "random", "--out", tmp_path, "--format", "json"))
    assert catalogue.load("op-chain-8").parse(drawn["key"]).key == drawn["key"]
    assert sorted(drawn["drawings"]) == sorted(map(str, tmp_path.iterdir()))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["elastic-8", "c8-oops"], "c8-oops"),
        (["elastik-8", "smallest"], 'did you mean "elastic-8"?'),
        (["elastic-8", "smallest", "--out", "file/folder"], "--out file/folder"),
    ],
)
def test_a_network_that_cannot_be_drawn_leaves_no_file(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    refused = invoke("spaces", *words)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
