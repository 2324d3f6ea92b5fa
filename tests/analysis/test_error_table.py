"""Tables of errors: what is written is read again, and belongs to one way of measuring."""

import csv
from pathlib import Path

import pytest

from analysis.shared.error_table import ErrorTable
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.table import load_table
from evo_bnas.space import catalogue
from tests.support.refusals import refused
from tests.support.synthetic import TINY

PROTOCOL = {"space": "tiny", "training": {"epochs": 3}, "images": 100}
NETWORKS = list(TINY.enumerate())


@pytest.fixture
def table(tmp_path: Path) -> ErrorTable:
    return ErrorTable(tmp_path / "new" / "tiny.csv", TINY, seeds=2)


def errors_of(table: ErrorTable, number: int) -> dict[tuple[str, ...], list[float]]:
    return {table.options(one): [0.125 + i / 64, 0.5] for i, one in enumerate(NETWORKS[:number])}


def test_a_new_table_is_empty_and_has_its_protocol_beside_it(table: ErrorTable) -> None:
    assert table.open(PROTOCOL) == {}
    assert table.path.with_suffix(".json").exists()
    assert not table.path.exists()


def test_errors_are_read_as_they_were_written(table: ErrorTable) -> None:
    table.open(PROTOCOL)
    errors = errors_of(table, 4)
    table.write(NETWORKS, errors)
    assert table.open(PROTOCOL) == errors
    before = table.path.read_bytes()
    table.write(NETWORKS, table.open(PROTOCOL))
    assert table.path.read_bytes() == before


def test_rows_are_in_the_order_of_the_networks_with_their_costs(table: ErrorTable) -> None:
    table.open(PROTOCOL)
    chosen = NETWORKS[5:1:-2]
    table.write(chosen, errors_of(table, 5))
    rows = list(csv.DictReader(table.path.read_text().splitlines()))
    assert [float(row["ops"]) for row in rows] == [TINY.costs(NETWORKS[3])["ops"]]
    assert {"error_0", "error_1", "size_bits"} <= set(rows[0])


def test_an_explorer_reads_the_table_with_the_mean_of_the_seeds(table: ErrorTable) -> None:
    table.open(PROTOCOL)
    table.write(NETWORKS, errors_of(table, len(NETWORKS)))
    space, evaluator = load_table(table.path)
    assert space.count().number == len(NETWORKS)
    scores = evaluator(list(space.enumerate()))
    assert sorted(score.objectives["error"] for score in scores) == pytest.approx(
        [(0.125 + i / 64 + 0.5) / 2 for i in range(len(NETWORKS))], abs=1e-6
    )


def test_genes_without_an_effect_are_empty(tmp_path: Path) -> None:
    space = catalogue.load("elastic-8")
    network = space.smallest()
    options = ErrorTable(tmp_path / "some.csv", space, 1).options(network)
    active = space.active(network.genes)
    assert not all(active)
    assert [option != "" for option in options] == list(active)


@pytest.mark.parametrize(
    ("change", "key"),
    [({"training": {"epochs": 4}}, "training"), ({"torch": "9"}, "torch"), ({"images": 9}, "images")],
)
def test_a_table_that_was_made_in_another_way_is_refused_and_unchanged(
    change: dict[str, object], key: str, table: ErrorTable
) -> None:
    table.open(PROTOCOL)
    table.write(NETWORKS, errors_of(table, 2))
    before = {path.name: path.read_bytes() for path in table.path.parent.iterdir()}
    with refused(UsageError, str(table.path), key, "--out"):
        table.open(PROTOCOL | change)
    assert {path.name: path.read_bytes() for path in table.path.parent.iterdir()} == before


def test_a_table_with_another_number_of_seeds_is_refused(table: ErrorTable) -> None:
    table.open(PROTOCOL)
    table.write(NETWORKS, errors_of(table, 2))
    for seeds in (1, 3):
        with pytest.raises(UsageError, match="seeds"):
            ErrorTable(table.path, TINY, seeds).open(PROTOCOL)
