"""Two searches that differ in their backend alone."""

from pathlib import Path

import pytest

from analysis.shared.command import measure
from tests.support.short_runs import SHORT

CHANGES = (*SHORT, "search.evaluations=5", "search.population=4", "search.batch=4")


@pytest.mark.slow
def test_searches_by_both_backends_score_the_same_design_alike(tmp_path: Path) -> None:
    folders = ["--results", str(tmp_path), "--work", str(tmp_path / "work")]
    result, _ = measure("packed_search", ["--set", *CHANGES, *folders])
    agreement = result.figures["agreement"]
    # The first batch does not depend on any score. A value that is nearly 0 on every image, such as a blank
    # margin, may flip its sign on many images at once, but not in many networks.
    assert agreement["common"] >= 4
    assert agreement["different"] <= 2
    assert agreement["most_images"] <= agreement["images"] / 10
    fronts = [result.figures[backend]["front"] for backend in ("packed", "torch")]
    assert agreement["common_front"] <= min(fronts)
    for backend in ("packed", "torch"):
        own = result.figures[backend]
        assert 0 < own["evaluation_seconds"] < own["seconds"]
        assert 0 <= own["hypervolume"] <= 1
