"""Warm starts between real runs, with equal and with different supernets."""

from pathlib import Path

import pytest

from evo_bnas.archive.archive import WARM_START
from evo_bnas.errors import UsageError
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from evo_bnas.run.search import search as search_stage
from evo_bnas.run.start import start
from evo_bnas.run.train import train as train_stage
from tests.support.short_runs import SHORT

SMALL = (*SHORT, "search.evaluations=5", "search.batch=4", "search.population=4")


def started(folder: Path, *overrides: str) -> Run:
    return start("digits", folder, [*SMALL, *overrides])


def searched(folder: Path, *overrides: str) -> Run:
    run = started(folder, *overrides)
    train_stage(run)
    search_stage(run)
    return run


@pytest.mark.slow
def test_a_warm_start_copies_scores_of_equal_weights_only(tmp_path: Path) -> None:
    earlier = Results.of(searched(tmp_path / "earlier")).frame
    warm = f"search.warm_start=[{tmp_path / 'earlier'}]"
    same = Results.of(searched(tmp_path / "same", warm, "search.local_search=2")).frame
    assert (same["origin"] == WARM_START).tolist() == [True] * 5 + [False] * 5
    assert same["key"][:5].tolist() == earlier["key"].tolist()
    assert same["error"][:5].tolist() == earlier["error"].tolist()
    assert same["origin"].tolist()[-2:] == ["local search"] * 2
    other = Results.of(searched(tmp_path / "other", warm, "supernet.lr=1e-3")).frame
    assert WARM_START not in other["origin"].tolist()
    assert len(other) == 5


def test_a_warm_start_from_an_unsuitable_run_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    started(tmp_path / "unsearched")
    started(tmp_path / "mobile", "space=group-mobile-8")
    for name, message in (
        ("nowhere", "nowhere"),
        ("unsearched", "evo-bnas search"),
        ("mobile", "group-mobile-8.*elastic-8"),
    ):
        with pytest.raises(UsageError, match=message):
            started(tmp_path / "new", f"search.warm_start=[{tmp_path / name}]")
    assert not (tmp_path / "new").exists()


def test_an_explorer_unfit_for_the_space_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="20,000"):
        started(tmp_path / "new", "search.explorer=exhaustive")
    assert not (tmp_path / "new").exists()
