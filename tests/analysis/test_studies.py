"""Every study runs with tiny options, and what it shows follows from its stored result alone."""

import csv
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.shared import study as studies
from analysis.shared.command import measure
from analysis.shared.result import Result
from evo_bnas.data.cifar import CIFAR10
from tests.support.datasets import cifar_files, write_files
from tests.support.short_runs import SHORT

RUN = " ".join((*SHORT, "search.evaluations=8", "search.population=4", "search.batch=4"))

# By study: its tiny options, and the first cells of the rows of its first table.
QUICK = {
    "ablation": (
        "--table table.csv --variants default 'uniform start' --seeds 2 --evaluations 30",
        ["default", "uniform start"],
    ),
    "search_efficiency": (
        "--table table.csv --methods surrogate random --seeds 1 --evaluations 30",
        ["`surrogate`", "`random`, spread over the cost"],
    ),
    "proposal_time": ("--explorers nsga2 --scores 30 60 --rounds 1", ["`nsga2`"]),
    "utilisation": ("--explorers random nsga2 --workers 2 4", ["2", "4"]),
    "distributed_training": ("--space tiny-8 --batch 8 --steps 2 --turns 1 --ranks 1", ["tiny-8"]),
    "latency": ("--spaces tiny-8 --turns 1", ["tiny-8"]),
    "latency_estimates": ("--spaces tiny-8 --networks 6 --fitted 3 --splits 2", ["tiny-8"]),
}
SLOW = {
    "cifar10": (f"--recipe digits --set {RUN}", None),
    "confirm_ranking": (
        f"--images cifar --networks 12 --seeds 1 --out . --set {RUN}",
        ["supernet", "1 epoch", "3 epochs", "all together", "ops alone"],
    ),
    "demo": (f"--seeds 1 --set {RUN}", ["0"]),
    "demo_ranking": (f"--networks 4 --epochs 1 --set {RUN}", ["4"]),
    "interpreter_overhead": ("--cases 'median of elastic-8' --turns 1", ["median of elastic-8, batch 128"]),
    "nsga2_vs_random": (f"--seeds 2 --evaluations 8 --set {RUN}", ["4", "8"]),
    "own_images": (f"--photos 60 --seeds 1 --networks 2 --set {RUN}", ["set 0"]),
    "pick_regret": (
        f"--methods evo-bnas largest --seeds 1 --seconds 15 --set {RUN}",
        ["`evo-bnas`", "`largest`"],
    ),
    "packed_search": (f"--set {RUN}", ["`packed`", "`torch`"]),
    "packed_speed": (
        "--spaces group-mobile-8 --batch 4 --turns 1",
        [f"group-mobile-8, {size}" for size in ("smallest", "median", "largest")],
    ),
    "ray_driver": ("--actors 2 --scores 40", ["2"]),
    "ray_scaling": ("--networks 4 --rounds 1", ["2 workers of Ray", "2 plain processes"]),
    "standalone_table": ("--space two.yaml --epochs 1 --seeds 1 --out .", ["a third"]),
    "supernet_ranking": ("--ways fair --seeds 1 --seconds 0.1", ["fair"]),
    "surrogate_quality": (
        "--table table.csv --objectives error ops --sizes 20 60 --seeds 2",
        ["cost alone", "auto", "gp", "pair-bt", "pair-linear", "pair-svm", "ridge (regression)"],
    ),
    "training_speed": (
        "--space group-mobile-8 --batch 8 --turns 1 --threads 1 --workers 1",
        ["plain loop", "evo-bnas, float32"],
    ),
}
SPACE = """
family: chain
block: react
image: [1, 8, 8]
classes: 10
stem: {channels: 4, stride: 2}
stages:
  - {channels: [4, 8], blocks: 1, stride: 2, each: {kernel: [1, 3]}}
"""


def write_table(path: Path) -> None:
    """Six genes of three options, whose errors and costs are separable."""
    losses, costs = np.random.default_rng(0).random((2, 6, 3))
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*(f"gene_{i}" for i in range(6)), "error", "ops", "flops", "params"])
        for genes in np.ndindex(*[3] * 6):
            at = (np.arange(6), np.array(genes))
            cost = 1_000 * costs[at].sum()
            lines.writerow([*genes, losses[at].sum() / 6, cost, cost, cost + 10 * genes[0]])


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def first_cells(shown: str) -> list[str]:
    """The first cell of every row of the first table, without its head."""
    lines = shown.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| ---"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append(line.split("|")[1].strip())
    return rows


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_study_shows_what_it_stored(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "table.csv")
    (tmp_path / "two.yaml").write_text(SPACE)
    write_files(tmp_path / "cifar", cifar_files(CIFAR10, each=40)[0])
    words, rows = (QUICK | SLOW)[name]
    result, file = measure(name, [*shlex.split(words), "--results", "results"])
    stored, study = Result.read(name, file.parent), studies.load(name)
    assert stored is not None
    shown = study.render(stored)
    if rows is not None:
        assert first_cells(shown)[: len(rows)] == rows
    assert "nan" not in shown
    assert result.caption == stored.caption
    if study.draw and study.picture:
        study.draw(stored, tmp_path / study.picture)
        assert (tmp_path / study.picture).stat().st_size > 10_000


def test_every_study_is_tried() -> None:
    assert sorted(QUICK | SLOW) == studies.names()
