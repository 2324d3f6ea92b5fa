"""The table of networks trained alone: resumable, and readable by the evaluator of tables."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis import standalone_table
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
def test_a_table_is_trained_once_and_read_by_explorers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.yaml").write_text(SPACE)
    asked = ["--space", str(tmp_path / "two.yaml"), "--epochs", "1", "--seeds", "2"]
    asked += ["--folder", str(tmp_path / "journals"), "--out", str(tmp_path), "--format", "json"]
    standalone_table.main([*asked, "--only", "1"])
    journals = sorted((tmp_path / "journals").rglob("*.jsonl"))
    assert [journal.name for journal in journals] == ["seed1.jsonl"]
    first = journals[0].read_bytes()
    standalone_table.main(asked)
    assert journals[0].read_bytes() == first
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["networks"], figures["seeds"]) == (12, 2)

    space, evaluator = load_table(tmp_path / "two.csv")
    assert space.count().number == 12
    (score,) = evaluator([space.smallest()])
    assert 0 <= score.objectives["error"] <= 1
    explorer = Exhaustive(Problem(space, ("error", "ops"), {}), 0)
    assert len(explorer.propose(Archive(), 100, np.random.default_rng(0))) == 12
    about = json.loads((tmp_path / "two.json").read_text())
    assert about["training"]["epochs"] == 1
    assert about["summary"] == figures


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
    about = json.loads((shipped("tables") / "tiny-8.json").read_text())["summary"]
    assert about["networks"] >= 64
    assert about["seeds"] == 3
    assert about["spread"] >= 0.08
    assert about["seed_deviation"] <= about["spread"] / 3
