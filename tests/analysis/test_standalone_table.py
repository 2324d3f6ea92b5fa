"""The table of networks trained alone: completed later, and read by explorers."""

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.shared.command import measure
from analysis.shared.error_table import ErrorTable
from analysis.shared.result import Result
from analysis.standalone_table import summary
from evo_bnas.archive.archive import Archive
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.table import load_table
from evo_bnas.files.shipped import shipped
from evo_bnas.search.exhaustive import Exhaustive
from evo_bnas.search.problem import Problem
from evo_bnas.space import catalogue
from tests.support.refusals import refused

SPACE = """
family: chain
block: react
image: [1, 8, 8]
classes: 10
stem: {channels: 4, stride: 2}
stages:
  - {channels: [4, 8], blocks: [1, 2], stride: 2, each: {kernel: [1, 3]}}
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The options of a small table."""
    (tmp_path / "two.yaml").write_text(SPACE)
    folders = ["--out", tmp_path / "tables", "--results", tmp_path, "--work", tmp_path / "work"]
    small = ["--space", tmp_path / "two.yaml", "--epochs", 1, "--seeds", 2, "--name", "small"]
    return [str(word) for word in (*small, *folders)]


def rows_of(table: Path) -> dict[tuple[str, ...], list[str]]:
    """The errors of each network, as they are in the file."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        tuple(value for name, value in row.items() if name.startswith("gene_")): [
            row["error_0"],
            row["error_1"],
        ]
        for row in rows
    }


@pytest.mark.slow
def test_an_interrupted_table_is_completed_and_nothing_is_trained_twice(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, write = tmp_path / "tables" / "small.csv", ErrorTable.write

    def write_and_interrupt(own: ErrorTable, *arguments: Any) -> None:
        write(own, *arguments)
        if len(rows_of(table)) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ErrorTable, "write", write_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure("standalone_table", [*words, "--networks", "3", "--processes", "2"])
    monkeypatch.undo()
    first = rows_of(table)
    assert len(first) == 2
    # A training cannot end with this error, so whoever keeps it has not trained the network again.
    error = next(iter(first.values()))[0]
    table.write_text(table.read_text().replace(f",{error},", ",0.123456,", 1))
    marked = rows_of(table)
    assert marked != first

    result, _ = measure("standalone_table", words)
    complete = rows_of(table)
    assert (result.figures["networks"], result.figures["seeds"], len(complete)) == (12, 2, 12)
    assert marked.items() <= complete.items()

    space, evaluator = load_table(table)
    assert space.count().number == 12
    (score,) = evaluator([space.smallest()])
    assert 0 <= score.objectives["error"] <= 1
    explorer = Exhaustive(Problem(space, ("error", "ops"), {}), 0)
    assert len(explorer.propose(Archive(), 100, np.random.default_rng(0))) == 12

    # A complete table only has to be read, and one that was made in another way is refused.
    before = table.read_bytes()
    again, _ = measure("standalone_table", words)
    assert again.figures["lowest_error"] == pytest.approx(result.figures["lowest_error"], abs=1e-6)
    with refused(UsageError, str(table), "training", "--out"):
        measure("standalone_table", [*words, "--epochs", "2"])
    assert table.read_bytes() == before


def test_the_summary_tells_networks_from_seeds() -> None:
    rng = np.random.default_rng(0)
    ops = np.linspace(1e4, 1e5, 30)
    errors = (0.5 - 0.3 * np.linspace(0, 1, 30))[:, None] + rng.normal(0, 0.01, (30, 3))
    figures = summary(ops, errors)
    assert (figures["networks"], figures["seeds"]) == (30, 3)
    assert figures["seed_deviation"] == pytest.approx(0.01, rel=0.3)
    assert figures["tau_of_ops"] > 0.8
    assert figures["tau_between_seeds"] > 0.8
    bands = figures["bands"]
    assert [band["max_ops"] < later["min_ops"] for band, later in pairwise(bands)] == [True, True]
    assert all(band["lowest_error"] <= band["highest_error"] for band in bands)
    one = summary(ops, errors[:, :1])
    assert (one["seed_deviation"], one["tau_between_seeds"]) == (None, None)


@pytest.mark.parametrize("file", sorted(shipped("tables").glob("*.csv")), ids=lambda file: file.stem)
def test_a_shipped_table_has_the_costs_of_its_networks(file: Path) -> None:
    protocol = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    image, classes = protocol["data"]["image"], protocol["data"]["classes"]
    space = catalogue.load(protocol["space"]).fit(tuple(image), len(classes))
    assert protocol["genes"] == [gene.name for gene in space.genes]
    assert protocol.get("space_hash", space.hash) == space.hash
    table, _ = load_table(file)
    assert table.count().number >= 12
    for network in table.enumerate():
        texts = [str(gene.options[option]) for gene, option in zip(table.genes, network.genes, strict=True)]
        known = space.architecture(
            [
                [*map(str, gene.options)].index(text) if text else 0
                for gene, text in zip(space.genes, texts, strict=True)
            ]
        )
        assert ErrorTable(file, space, 1).options(known) == tuple(texts)
        assert table.costs(network) == space.costs(known)


def test_the_table_of_a_small_space_is_complete() -> None:
    table, _ = load_table(shipped("tables") / "tiny-8.csv")
    assert table.count() == catalogue.load("tiny-8").count()


def test_the_errors_of_the_shipped_table_spread_far_beyond_the_noise_of_seeds() -> None:
    result = Result.read("standalone_table")
    assert result is not None
    figures = result.figures
    assert (figures["space"], figures["seeds"]) == ("elastic-16", 3)
    assert figures["networks"] >= 12
    assert all(band["deviation"] >= 3 * figures["seed_deviation"] for band in figures["bands"])
