"""The figure of a front."""

from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest

from evo_bnas.archive.pick import pick
from evo_bnas.errors import UsageError
from evo_bnas.plots.front import plot_front
from tests.support.frames import THREE, Row, scored


@pytest.mark.parametrize("x", ["ops", "size_bits"])
@pytest.mark.parametrize("rows", [THREE, THREE[:1]])
def test_a_front_is_drawn_with_its_pick(tmp_path: Path, rows: tuple[Row, ...], x: str) -> None:
    frame = scored(*rows)
    path = tmp_path / "front.png"
    plot_front(frame, path, pick=pick(frame, {}), x=x)
    assert path.read_bytes().startswith(b"\x89PNG")
    picture = matplotlib.image.imread(path)[..., :3]
    assert picture.min() < 0.2
    assert picture.max() == 1.0
    reddish = (picture[..., 0] > 0.7) & (picture[..., 1] < 0.4)
    assert reddish.sum() > 100, "the pick is not marked"
    assert [file.name for file in tmp_path.iterdir()] == ["front.png"]


def test_networks_beyond_a_limit_are_drawn_but_not_on_the_front(tmp_path: Path) -> None:
    frame = scored(*THREE)
    limits = {"ops": float(frame["ops"].median())}
    plot_front(frame, tmp_path / "all.png")
    plot_front(frame, tmp_path / "limited.png", limits=limits)
    plot_front(frame, tmp_path / "nothing.png", limits={"ops": 0.0})
    pictures = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(set(pictures.values())) == 3
    plot_front(frame[frame["ops"] <= limits["ops"]], tmp_path / "without.png")
    assert (tmp_path / "without.png").read_bytes() != pictures["limited.png"]


def test_failed_networks_are_not_drawn(tmp_path: Path) -> None:
    frame = scored(*THREE, ("broken", 0.9, 1))
    frame.loc[3, "status"] = "failed"
    plot_front(scored(*THREE), tmp_path / "without.png")
    plot_front(frame, tmp_path / "with.png")
    assert (tmp_path / "with.png").read_bytes() == (tmp_path / "without.png").read_bytes()


def test_an_archive_without_scores_is_refused(tmp_path: Path) -> None:
    frame: pd.DataFrame = scored(*THREE).assign(status="failed")
    with pytest.raises(UsageError, match="nothing to draw"):
        plot_front(frame, tmp_path / "front.png")
    assert not list(tmp_path.iterdir())
