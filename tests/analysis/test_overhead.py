"""The benchmark of the interpreter runs, checks itself, and prints figures that scripts can read."""

import json

import pytest
import torch

from analysis import overhead


@pytest.mark.slow
def test_overhead_prints_its_figures_last(capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    try:
        overhead.main(["--repeats", "1", "--threads", "1", "--format", "json"])
    finally:
        torch.set_num_threads(threads)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert f"torch {torch.__version__}, 1 threads" in first
    figures = json.loads(last)
    assert figures["threads"] == figures["repeats"] == 1
    rows = figures["rows"]
    assert len(rows) == len(overhead.CASES) * 2 * 2
    assert {row["contestant"] for row in rows} == {"Network", "Supernet"}
    assert all(row["low"] <= row["ratio"] <= row["high"] for row in rows)


def test_contestants_that_differ_are_not_compared() -> None:
    outputs = {"by hand": torch.ones(4, 3), "Network": torch.zeros(4, 3)}
    with pytest.raises(AssertionError, match="Network computes something else on 4 images"):
        overhead._same(outputs, 1e-3)
