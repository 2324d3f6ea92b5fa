"""Spaces from tables: their laws, their files, and NAS-Bench-Macro."""

import json
import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.archive.front import Hypervolume, ranks
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.table import load_table
from evo_bnas.search.problem import Problem
from evo_bnas.space.table import TableSpace, load
from tests.support.refusals import refused
from tests.support.synthetic import separable_table

SEPARABLE = separable_table()
SPARSE = TableSpace(
    "sparse",
    [
        (("conv", "c16"), {"error": 0.2, "ops": 30.0, "params": 5.0}),
        (("conv", "c8"), {"error": 0.3, "ops": 10.0, "params": 4.0}),
        (("skip", ""), {"error": 0.8, "ops": 1.0, "params": 9.0}),
    ],
)

CSV = """gene_0,gene_1,error,ops
conv3,8,0.1,100
conv3,16,0.05,400
skip,,0.4,10
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_csv_file_gives_genes_costs_and_scores(tmp_path: Path) -> None:
    space, evaluator = load_table(written(tmp_path / "cells.csv", CSV))
    assert (space.name, space.count()) == ("cells", (3, True))
    assert [gene.name for gene in space.genes] == ["gene_0", "gene_1"]
    assert [gene.options for gene in space.genes] == [("conv3", "skip"), ("", "16", "8")]
    assert space.objectives == ("error", "ops")
    assert space.parse("conv3-16").key == "conv3-16"
    assert space.costs(space.parse("conv3-16")) == {"ops": 400}
    (score,) = evaluator([space.parse("skip-")])
    assert score.objectives == {"error": 0.4, "ops": 10}
    assert space.active(space.parse("skip-").genes) == (True, False)


def test_errors_of_several_seeds_are_averaged(tmp_path: Path) -> None:
    text = "gene_0,error_0,error_1,ops\na,0.1,0.3,5\nb,0.2,0.2,9\n"
    space, _ = load_table(written(tmp_path / "seeds.csv", text))
    assert {key: row["error"] for key, row in space.scores.items()} == pytest.approx({"a": 0.2, "b": 0.2})
    assert space.objectives == ("error", "ops")


def test_a_mean_error_together_with_errors_of_seeds_is_refused(tmp_path: Path) -> None:
    with refused(UsageError, "line 1", "error_0", "keep one"):
        load_table(written(tmp_path / "both.csv", "gene_0,error,error_0,ops\na,0.1,0.3,5\n"))


@given(st.sampled_from([SEPARABLE, SPARSE]), st.data())
def test_any_genes_are_repaired_to_the_nearest_row(space: TableSpace, data: st.DataObject) -> None:
    raw = data.draw(st.tuples(*(st.integers(0, size - 1) for size in space.sizes)))
    architecture = space.architecture(raw)
    assert architecture.key in space.scores
    assert space.architecture(architecture.genes) == space.parse(architecture.key) == architecture
    distance = sum(a != b for a, b in zip(raw, architecture.genes, strict=True))
    assert distance == min(
        sum(a != b for a, b in zip(raw, other.genes, strict=True)) for other in space.enumerate()
    )
    assert set(space.neighbours(architecture)) <= set(space.enumerate()) - {architecture}


def test_bounds_and_ends_come_from_the_table() -> None:
    assert SPARSE.bounds("ops") == (1.0, 30.0)
    assert SPARSE.bounds("error") == (0.2, 0.8)
    assert (SPARSE.smallest().key, SPARSE.largest().key) == ("conv-c8", "conv-c16")
    assert len(list(SEPARABLE.enumerate())) == len(SEPARABLE.scores) == 81


def test_an_objective_that_the_table_does_not_have_is_refused() -> None:
    with refused(UsageError, "'flops'", "sparse", 'did you mean "ops"'):
        Problem(SPARSE, ("error", "flops"))
    with refused(UsageError, "'flops'", "sparse"):
        Problem(SPARSE, ("error", "ops"), {"flops": 3})
    assert Problem(SPARSE, ("error",)).sampling_cost == "ops"


def test_limits_that_no_row_meets_are_refused() -> None:
    with refused(UsageError, "sparse", "ops ≤ 0", "1"):
        Problem(SPARSE, ("error", "ops"), {"ops": 0})
    with refused(UsageError, "sparse", "ops ≤ 5 and params ≤ 5"):
        Problem(SPARSE, ("error", "ops"), {"ops": 5, "params": 5})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["line 1", "gene_0, gene_1"]),
        ("gene_1,error,ops\na,0.1,1\n", ["line 1", "gene_0, gene_1"]),
        ("gene_0,error,opss\na,0.1,1\n", ["line 1", "'opss'", 'did you mean "ops"?']),
        ("gene_0,error,ops,ops\n", ["line 1", "duplicate column 'ops'"]),
        ("gene_0,ops\na,1\n", ["line 1", "error"]),
        ("gene_0,error\na,0.1\n", ["line 1", "ops"]),
        ("gene_0,error,ops\na,0.1\n", ["line 2", "2 cells", "3 columns"]),
        ("gene_0,error,ops\na,0.1,1\nb,x,1\n", ["line 3, column error", "'x'"]),
        ("gene_0,error,ops\na,nan,1\n", ["line 2, column error", "'nan'"]),
        ("gene_0,error,ops\na,5.2,1\n", ["line 2, column error", "'5.2'", "5 % as 0.05"]),
        ("gene_0,error,ops\na,0.1,-1\n", ["line 2, column ops", "'-1'", "at least 0"]),
        ("gene_0,error,ops\n", ["no rows"]),
        ("gene_0,error,ops\na,0.1,1\na,0.1,1\n", ["duplicate key 'a'"]),
    ],
)
def test_a_wrong_csv_file_is_refused_with_line_and_column(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    path = written(tmp_path / "table.csv", text)
    with refused(UsageError, f"{path}: ", *parts):
        load(path)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ([], ["NAS-Bench-Macro"]),
        ({"00000000": {"mean_acc": 90.0}}, ["NAS-Bench-Macro", "KeyError: 'flops'"]),
        ({"0003": {"mean_acc": 90.0, "flops": 1, "params": 1}}, ["'0003'", "eight digits"]),
    ],
)
def test_a_wrong_json_file_is_refused(tmp_path: Path, content: object, parts: list[str]) -> None:
    path = written(tmp_path / "table.json", json.dumps(content))
    with refused(UsageError, str(path), *parts):
        load(path)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with refused(UsageError, str(tmp_path / "table.csv")):
        load(tmp_path / "table.csv")
    (tmp_path / "table.csv").write_bytes(b"\xff\xfe\x00")
    with refused(UsageError, str(tmp_path / "table.csv"), "UTF-8"):
        load(tmp_path / "table.csv")


def test_nas_bench_macro_keeps_its_published_keys(tmp_path: Path) -> None:
    keys = ["".join(key) for key in product("012", repeat=8)][::700]
    entries = {key: {"mean_acc": 90.0 + i, "flops": 10 * i, "params": i} for i, key in enumerate(keys)}
    space = load(written(tmp_path / "macro.json", json.dumps(entries)))
    assert list(space.scores) == keys
    assert space.scores[keys[1]] == {"error": pytest.approx(0.09), "flops": 10, "params": 1}


@pytest.mark.skipif("NAS_BENCH_MACRO" not in os.environ, reason="NAS_BENCH_MACRO names no table file")
@pytest.mark.parametrize(
    ("objectives", "covered", "front"),
    [
        (("error", "flops"), 0.902775, 35),
        (("error", "params"), 0.974273, 39),
        (("error", "flops", "params"), 0.882848, 118),
    ],
)
def test_nas_bench_macro_has_the_known_fronts(
    objectives: tuple[str, ...], covered: float, front: int
) -> None:
    space = load(Path(os.environ["NAS_BENCH_MACRO"]))
    problem = Problem(space, objectives)
    volume = Hypervolume(objectives, problem.bounds())
    for score in space.scores.values():
        volume.add(score)
    assert volume.value == pytest.approx(covered, abs=1e-6)
    points = np.array([[score[name] for name in objectives] for score in space.scores.values()])
    assert len(np.unique(points[ranks(points) == 0], axis=0)) == front
    assert space.bounds("flops") == (7_713_280, 105_660_928)
