"""The table of networks trained alone: resumed after an interruption, and read by explorers."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.shared.command import measure
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from evo_bnas.archive.archive import Archive
from evo_bnas.evaluate.table import load_table
from evo_bnas.files.shipped import shipped
from evo_bnas.search.exhaustive import Exhaustive
from evo_bnas.search.problem import Problem
from evo_bnas.space import catalogue

SPACE = """
family: chain
block: react
image: [1, 8, 8]
classes: 10
stem: {channels: 4, stride: 2}
stages:
  - {channels: [4, 8], blocks: [1, 2], stride: 2, each: {kernel: [1, 3]}}
"""


@pytest.mark.slow
def test_a_resumed_study_trains_nothing_twice_and_its_table_is_read_by_explorers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two.yaml").write_text(SPACE)
    words = ["--space", str(tmp_path / "two.yaml"), "--epochs", "1", "--seeds", "2", "--out", str(tmp_path)]
    folders = ["--results", str(tmp_path), "--work", str(tmp_path / "work")]
    with monkeypatch.context() as patch:
        patch.setattr(Parts, "remove", lambda _: None)  # as if it had been killed before its end
        measure("standalone_table", [*words, *folders])
    journals = {path: path.read_bytes() for path in tmp_path.rglob("seed*.jsonl")}
    assert len(journals) == 2
    kept: dict[Path, bytes] = {}

    def keep(parts: Parts) -> None:
        kept.update({path: path.read_bytes() for path in parts.folder.glob("seed*.jsonl")})

    monkeypatch.setattr(Parts, "remove", keep)
    result, _ = measure("standalone_table", [*words, *folders])
    assert kept == journals
    assert (result.figures["networks"], result.figures["seeds"]) == (12, 2)

    space, evaluator = load_table(tmp_path / "two.csv")
    assert space.count().number == 12
    (score,) = evaluator([space.smallest()])
    assert 0 <= score.objectives["error"] <= 1
    explorer = Exhaustive(Problem(space, ("error", "ops"), {}), 0)
    assert len(explorer.propose(Archive(), 100, np.random.default_rng(0))) == 12
    protocol = json.loads((tmp_path / "two.json").read_text())
    assert protocol["training"]["epochs"] == 1


def test_the_shipped_table_holds_every_network_of_its_space_with_its_costs() -> None:
    table, _ = load_table(shipped("tables") / "tiny-8.csv")
    space = catalogue.load("tiny-8")
    assert table.count() == space.count()
    genes = [gene.options for gene in space.genes]
    for network in space.enumerate():
        options = [str(own[option]) for own, option in zip(genes, network.genes, strict=True)]
        row = table.scores[table.key(tuple(
            gene.options.index(option) for gene, option in zip(table.genes, options, strict=True)
        ))]  # fmt: skip
        assert {name: row[name] for name in space.costs(network)} == space.costs(network)


def test_the_errors_of_the_shipped_table_spread_far_beyond_the_noise_of_seeds() -> None:
    result = Result.read("standalone_table")
    assert result is not None
    figures = result.figures
    spread = figures["highest_error"] - figures["lowest_error"]
    assert figures["networks"] >= 64
    assert figures["seeds"] == 3
    assert spread >= 0.08
    assert figures["seed_deviation"] <= spread / 3
