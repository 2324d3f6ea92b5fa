"""The studies of the surrogate search, each on a table that a test can afford."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from analysis import ablation, proposal_overhead, surrogate_quality
from evo_bnas.space.table import TableSpace, load


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six genes of three options, whose errors and costs are separable."""
    rng = np.random.default_rng(0)
    losses, costs = rng.random((2, 6, 3))
    path = tmp_path_factory.mktemp("table") / "separable.csv"
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*(f"gene_{i}" for i in range(6)), "error", "ops", "params"])
        for genes in np.ndindex(*[3] * 6):
            at = (np.arange(6), np.array(genes))
            cost = 1_000 * costs[at].sum()
            lines.writerow([*genes, losses[at].sum() / 6, cost, cost + 10 * genes[0]])
    return path


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    figures: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return figures


def test_the_table_is_one(table: Path) -> None:
    space = load(table)
    assert isinstance(space, TableSpace)
    assert len(space.scores) == 729


def test_the_ablation_compares_variants_at_equal_budgets(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--table", str(table), "--objectives", "error,ops", "--seeds", "2", "--evaluations", "30"]
    ablation.main([*command, "--variants", "as it is,uniform start", "--format", "json"])
    figures = last_line(capsys)
    assert figures["evaluations"] == 30
    variants = figures["variants"]
    assert isinstance(variants, dict)
    assert list(variants) == ["as it is", "uniform start"]
    assert all(len(variant["after_30"]) == 3 for variant in variants.values())
    ablation.main([*command, "--variants", "as it is"])
    assert "evaluations to 0.99" in capsys.readouterr().out


def test_an_unknown_variant_ends_with_a_sentence(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        ablation.main(["--table", str(table), "--objectives", "error,ops", "--variants", "as it was"])
    assert end.value.code == 2
    assert "unknown variant 'as it was'" in capsys.readouterr().err


def test_every_variant_gives_a_whole_trial_without_a_repeat(table: Path) -> None:
    space = load(table)
    problem = ablation.Problem(space, ("error", "ops"))
    for make in ablation.VARIANTS.values():
        trial = ablation.Variant(make, batch=8)(problem, space, 26, seed=0)
        assert len(trial.keys) == trial.calls == trial.distinct == 26


@pytest.mark.slow
def test_the_quality_of_surrogates_grows_with_what_they_have_seen(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surrogate_quality, "SIZES", (20, 60))
    surrogate_quality.main(
        ["--table", str(table), "--objectives", "error,ops", "--seeds", "2", "--format", "json"]
    )
    surrogates = last_line(capsys)["surrogates"]
    assert isinstance(surrogates, dict)
    for name in surrogate_quality.COMPARED:
        few, many = (quartiles[1] for quartiles in surrogates[name]["tau_quartiles"])
        assert many > few


def test_growth_is_the_exponent_of_a_power() -> None:
    sizes = [250, 500, 1_000, 2_000]
    assert proposal_overhead.growth(sizes, [3 * n**1.5 for n in sizes]) == pytest.approx(1.5)


@pytest.mark.slow
def test_the_overhead_of_a_proposal_is_measured_at_forty_genes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposal_overhead, "SIZES", (30, 60))
    proposal_overhead.main(["--explorers", "nsga2", "--rounds", "1", "--format", "json"])
    figures = last_line(capsys)
    assert figures["genes"] == 40
    explorers = figures["explorers"]
    assert isinstance(explorers, dict)
    assert all(value > 0 for value in explorers["nsga2"]["milliseconds_per_proposal"])
