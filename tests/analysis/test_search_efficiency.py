"""The comparison of searches on a table of known scores."""

from pathlib import Path

import pytest

from analysis.shared.command import measure
from evo_bnas.errors import UsageError
from tests.support.synthetic import separable_table


@pytest.fixture
def table(tmp_path: Path) -> str:
    scores = separable_table().scores
    lines = ["gene_0,gene_1,gene_2,gene_3,error,flops,params"]
    lines += [f"{','.join(key)},{own['error']},{own['flops']},{own['params']}" for key, own in scores.items()]
    path = tmp_path / "separable.csv"
    path.write_text("\n".join(lines))
    return str(path)


def measured(table: str, tmp_path: Path, words: list[str]) -> dict[str, dict[str, object]]:
    folders = ["--results", str(tmp_path), "--work", str(tmp_path / "work")]
    result, _ = measure("search_efficiency", ["--table", table, *words, *folders])
    return result.figures["error, flops"]  # type: ignore[no-any-return]


def test_a_search_of_the_whole_table_covers_it_without_duplicates(table: str, tmp_path: Path) -> None:
    words = ["--methods", "random", "nsga2", "--seeds", "2", "--evaluations", "81"]
    figures = measured(table, tmp_path, words)
    assert list(figures) == ["nsga2", "random"]
    for own in figures.values():
        assert own["covered"] == pytest.approx([1.0] * 3)
        assert own["calls_per_distinct"] == 1.0


@pytest.mark.slow
def test_peers_are_measured_by_their_distinct_evaluations(table: str, tmp_path: Path) -> None:
    from analysis.search_efficiency import METHODS

    peers = [name for name, method in METHODS.items() if method.peer]
    figures = measured(table, tmp_path, ["--methods", *peers, "--seeds", "1", "--evaluations", "40"])
    assert list(figures) == peers
    assert all(own["evaluations"] == 40 for own in figures.values())


def test_an_unknown_method_is_refused_with_the_nearest_one(table: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--methods.*'nsga'.*\"nsga2\""):
        measured(table, tmp_path, ["--methods", "nsga"])
