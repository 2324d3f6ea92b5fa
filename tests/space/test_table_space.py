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


def test_a_csv_file_gives_genes_by_option_name_costs_and_scores(tmp_path: Path) -> None:
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


def test_a_mean_error_beside_errors_of_seeds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keep one or the others"):
        load_table(written(tmp_path / "both.csv", "gene_0,error,error_0,ops\na,0.1,0.3,5\n"))


@given(st.sampled_from([SEPARABLE, SPARSE]), st.data())
def test_any_genes_stand_for_a_row_and_rows_for_themselves(space: TableSpace, data: st.DataObject) -> None:
    raw = data.draw(st.tuples(*(st.integers(0, size - 1) for size in space.sizes)))
    architecture = space.architecture(raw)
    assert architecture.key in space.scores
    assert space.architecture(architecture.genes) == space.parse(architecture.key) == architecture
    distance = sum(a != b for a, b in zip(raw, architecture.genes, strict=True))
    assert distance == min(
        sum(a != b for a, b in zip(raw, other.genes, strict=True)) for other in space.enumerate()
    )
    assert set(space.neighbours(architecture)) <= set(space.enumerate()) - {architecture}


def test_bounds_and_ends_are_those_of_the_table() -> None:
    assert SPARSE.bounds("ops") == (1.0, 30.0)
    assert SPARSE.bounds("error") == (0.2, 0.8)
    assert (SPARSE.smallest().key, SPARSE.largest().key) == ("conv-c8", "conv-c16")
    assert len(list(SEPARABLE.enumerate())) == len(SEPARABLE.scores) == 81


def test_only_what_the_table_holds_can_be_asked() -> None:
    with pytest.raises(UsageError, match="objective 'flops' is unknown in sparse; did you mean \"ops\""):
        Problem(SPARSE, ("error", "flops"))
    with pytest.raises(UsageError, match="limit 'flops' is no objective in sparse"):
        Problem(SPARSE, ("error", "ops"), {"flops": 3})
    assert Problem(SPARSE, ("error",)).sampling_cost == "ops"


def test_an_empty_box_is_refused() -> None:
    with pytest.raises(UsageError, match="no network of sparse has ops ≤ 0; the smallest has 1"):
        Problem(SPARSE, ("error", "ops"), {"ops": 0})
    with pytest.raises(UsageError, match="no network of sparse has ops ≤ 5 and params ≤ 5; raise one"):
        Problem(SPARSE, ("error", "ops"), {"ops": 5, "params": 5})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: begin with the columns gene_0"),
        ("gene_1,error,ops\na,0.1,1\n", "line 1: begin with the columns gene_0"),
        ("gene_0,error,opss\na,0.1,1\n", 'line 1, column opss: is no objective; did you mean "ops"?'),
        ("gene_0,error,ops,ops\n", "line 1, column ops: stands there twice"),
        ("gene_0,ops\na,1\n", "line 1: needs the column error and one or more of ops"),
        ("gene_0,error\na,0.1\n", "line 1: needs the column error and one or more of ops"),
        ("gene_0,error,ops\na,0.1\n", "line 2: 2 cells under 3 columns"),
        ("gene_0,error,ops\na,0.1,1\nb,x,1\n", "line 3, column error: 'x' is no number"),
        ("gene_0,error,ops\na,nan,1\n", "line 2, column error: 'nan' is no finite number"),
        ("gene_0,error,ops\na,5.2,1\n", "line 2, column error: '5.2' is more than 1; write the error as a"),
        ("gene_0,error,ops\na,0.1,-1\n", "line 2, column ops: '-1' is no finite number of 0 or more"),
        ("gene_0,error,ops\n", "holds no network"),
        ("gene_0,error,ops\na,0.1,1\na,0.1,1\n", "'a' stands in it twice"),
    ],
)
def test_a_wrong_csv_file_is_refused_with_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path / "table.csv", text)
    with pytest.raises(UsageError) as failure:
        load(path)
    assert str(failure.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "is no NAS-Bench-Macro table"),
        ({"00000000": {"mean_acc": 90.0}}, "is no NAS-Bench-Macro table (KeyError: 'flops')"),
        ({"0003": {"mean_acc": 90.0, "flops": 1, "params": 1}}, "key '0003' is not eight digits"),
    ],
)
def test_a_wrong_json_file_is_refused(tmp_path: Path, content: object, message: str) -> None:
    path = written(tmp_path / "table.json", json.dumps(content))
    with pytest.raises(UsageError) as failure:
        load(path)
    assert message in str(failure.value)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load(tmp_path / "table.csv")
    (tmp_path / "table.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is no text"):
        load(tmp_path / "table.csv")


def test_nas_bench_macro_keys_stay_as_published(tmp_path: Path) -> None:
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
def test_nas_bench_macro_has_its_known_fronts(
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
