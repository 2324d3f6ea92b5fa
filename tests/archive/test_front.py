import json
import os
from itertools import product
from math import pi
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evo_bnas.archive.front import front, hypervolume, hypervolume_trace, knee
from evo_bnas.network.objectives import OBJECTIVES

NAMES = tuple(OBJECTIVES)

# Values from a coarse grid, so that ties and duplicates come often.
points = st.tuples(st.integers(1, 12), st.integers(1, 5)).flatmap(
    lambda shape: arrays(float, shape, elements=st.integers(0, 12).map(lambda i: i / 10))
)


def frame(values: object) -> pd.DataFrame:
    """Successful rows with these objectives, in the order of NAMES."""
    rows = np.asarray(values, dtype=float)
    table = pd.DataFrame(rows, columns=NAMES[: rows.shape[1]])
    return table.assign(status="ok", key=[f"n{i}" for i in range(len(rows))])


def unit(dimensions: int, reference: float = 1.0) -> dict[str, tuple[float, float]]:
    return dict.fromkeys(NAMES[:dimensions], (0.0, reference))


def volume(values: object, reference: float = 1.0) -> float:
    rows = np.asarray(values, dtype=float)
    dimensions = rows.shape[1]
    covered = hypervolume(frame(rows), NAMES[:dimensions], unit(dimensions, reference))
    return covered * reference**dimensions


def simplex(partitions: int = 60) -> np.ndarray:
    """1,891 even points with three coordinates that sum to 1."""
    return np.array([
        (i, j, partitions - i - j) for i, j in product(range(partitions + 1), repeat=2) if i + j <= partitions
    ]) / partitions  # fmt: skip


def test_hypervolumes_of_analytic_fronts() -> None:
    # Zitzler, Deb, Thiele 2000 and Deb et al. 2002; integrals by hand, references 1.1, 1.1, 1.1, 1, 1.1.
    f1 = np.linspace(0, 1, 20_001)
    assert volume(np.c_[f1, 1 - np.sqrt(f1)], 1.1) == pytest.approx(0.1 + 2 / 3 + 0.11, abs=1e-3)
    assert volume(np.c_[f1, 1 - f1**2], 1.1) == pytest.approx(0.1 + 1 / 3 + 0.11, abs=1e-3)
    a = 0.2807753191
    f6 = np.linspace(a, 1, 20_001)
    expected = 0.1 * (1 - a) + (1 - a**3) / 3 + 0.11
    assert volume(np.c_[f6, 1 - f6**2], 1.1) == pytest.approx(expected, abs=1e-3)
    plane = simplex()
    assert len(plane) == 1891
    assert volume(plane / 2) == pytest.approx(0.978113, abs=1e-6)
    assert volume(plane / 2) == pytest.approx(1 - 0.5**3 / 6, abs=2e-3)
    sphere = plane / np.linalg.norm(plane, axis=1, keepdims=True)
    assert volume(sphere, 1.1) == pytest.approx(0.794359, abs=1e-6)
    assert volume(sphere, 1.1) == pytest.approx(1.331 - pi / 6, abs=0.02)


@pytest.mark.parametrize("dimensions", range(1, 8))
def test_one_point_in_the_middle_covers_a_box(dimensions: int) -> None:
    assert volume([[0.5] * dimensions]) == 0.5**dimensions
    assert volume([[0.5] * dimensions, [1.5] * dimensions]) == 0.5**dimensions


@given(points)
def test_the_trace_rises_within_0_and_1_and_ends_at_the_front(values: np.ndarray) -> None:
    names = NAMES[: values.shape[1]]
    table, bounds = frame(values), unit(values.shape[1])
    trace = hypervolume_trace(table, names, bounds)
    assert len(trace) == len(table)
    assert all(0 <= earlier <= later <= 1 for earlier, later in zip([0.0, *trace], trace, strict=False))
    assert trace[-1] == pytest.approx(hypervolume(front(table, names), names, bounds))
    assert trace[-1] == pytest.approx(hypervolume(pd.concat([table, table]), names, bounds))


@given(points)
def test_the_front_is_what_no_other_row_dominates_each_point_once(values: np.ndarray) -> None:
    def dominated(point: np.ndarray) -> bool:
        return any((other <= point).all() and (other < point).any() for other in values)

    names = NAMES[: values.shape[1]]
    kept = front(frame(values), names)
    expected = {tuple(point) for point in values if not dominated(point)}
    assert sorted(kept[list(names)].itertuples(index=False, name=None)) == sorted(expected)
    first_cost = names[min(1, len(names) - 1)]
    assert kept[first_cost].is_monotonic_increasing


@given(points)
def test_the_knee_is_a_row_of_the_front(values: np.ndarray) -> None:
    names = NAMES[: values.shape[1]]
    kept = front(frame(values), names)
    assert knee(kept, names)["key"] in set(kept["key"])


def test_the_knee_is_where_the_front_bends() -> None:
    bent = front(frame([[0.0, 100], [0.1, 20], [0.6, 10], [1.0, 0]]), ("error", "ops"))
    assert knee(bent, ("error", "ops"))["ops"] == 20


def test_nan_is_refused_and_failed_rows_change_nothing() -> None:
    table = frame([[0.5, 0.5], [np.nan, 0.2]])
    for covered in (hypervolume, hypervolume_trace):
        with pytest.raises(ValueError, match="NaN"):
            covered(table, NAMES[:2], unit(2))
    with pytest.raises(ValueError, match="n1"):
        front(table, NAMES[:2])
    table["status"] = ["ok", "failed"]
    assert hypervolume_trace(table, NAMES[:2], unit(2)) == [0.25, 0.25]
    assert front(table, NAMES[:2])["key"].tolist() == ["n0"]


def test_nothing_covers_nothing() -> None:
    empty = frame(np.empty((0, 2)))
    assert hypervolume(empty, NAMES[:2], unit(2)) == 0.0
    assert front(empty, NAMES[:2]).empty


def test_an_objective_that_cannot_vary_takes_no_part() -> None:
    bounds = {"error": (0.0, 1.0), "ops": (7.0, 7.0)}
    assert hypervolume(frame([[0.25, 7.0]]), ("error", "ops"), bounds) == 0.75


@pytest.mark.parametrize(
    ("objectives", "size", "covered"),
    [
        (("error", "flops"), 35, 0.902775),
        (("error", "params"), 39, 0.974273),
        (("error", "flops", "params"), 118, 0.882848),
    ],
)
def test_known_answers_of_nas_bench_macro(objectives: tuple[str, ...], size: int, covered: float) -> None:
    """Su et al., CVPR 2021: all 6,561 networks; NAS_BENCH_MACRO names the file of their table."""
    path = Path(os.environ.get("NAS_BENCH_MACRO", "nas-bench-macro_cifar10.json"))
    if not path.is_file():
        pytest.skip("needs the table of NAS-Bench-Macro")
    table = pd.DataFrame(json.loads(path.read_text())).T.rename_axis("key").reset_index()
    table = table.assign(error=1 - table["mean_acc"].astype(float) / 100, status="ok")
    bounds = {name: (float(table[name].min()), float(table[name].max())) for name in objectives}
    assert len(front(table, objectives)) == size
    assert hypervolume(table, objectives, bounds) == pytest.approx(covered, abs=1e-6)
