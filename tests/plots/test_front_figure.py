"""The figure of a front."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from evo_bnas.archive.pick import pick
from evo_bnas.errors import UsageError
from evo_bnas.plots.front import plot_front
from tests.support.frames import THREE, Row, scored


def pixels(path: Path) -> np.ndarray:
    """The colours of a picture, (height, width, 3), from 0 to 1."""
    return np.asarray(matplotlib.image.imread(path)[..., :3])


def reddish(path: Path) -> int:
    """The number of pixels in the colour of picks."""
    picture = pixels(path)
    return int(((picture[..., 0] > 0.7) & (picture[..., 1] < 0.4)).sum())


def greenish(path: Path) -> int:
    """The number of pixels in the colour of trained networks."""
    picture = pixels(path)
    return int(((picture[..., 1] > picture[..., 0] + 0.3) & (picture[..., 1] > picture[..., 2] + 0.1)).sum())


def trained(*rows: Row) -> pd.DataFrame:
    """Trained networks by key, test error and ops, with intervals of two points."""
    return pd.DataFrame(
        {
            "key": [key for key, _, _ in rows],
            "ops": [ops for _, _, ops in rows],
            "test_error": [error for _, error, _ in rows],
            "low": [error - 0.01 for _, error, _ in rows],
            "high": [error + 0.01 for _, error, _ in rows],
        }
    )


@pytest.mark.parametrize("x", ["ops", "size_bits"])
@pytest.mark.parametrize("rows", [THREE, THREE[:1]])
def test_a_front_is_drawn_with_its_pick(tmp_path: Path, rows: tuple[Row, ...], x: str) -> None:
    frame = scored(*rows)
    path = tmp_path / "front.png"
    plot_front(frame, path, picks=[pick(frame, {})], x=x)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert pixels(path).min() < 0.2
    assert pixels(path).max() == 1.0
    assert reddish(path) > 100, "the pick is not marked"
    assert [file.name for file in tmp_path.iterdir()] == ["front.png"]


def test_every_pick_is_marked_and_only_a_single_one_has_a_label(tmp_path: Path) -> None:
    frame = scored(*THREE)
    ladder = [pick(frame, {"ops": budget}) for budget in (10_000, 50_000, 100_000)]
    for number in (0, 1, 2, 3):
        plot_front(frame, tmp_path / f"{number}.svg", picks=ladder[:number])
    texts = {path.stem: path.read_text() for path in tmp_path.iterdir()}
    assert [texts[str(number)].count("6,208 ops") for number in (0, 1, 2, 3)] == [0, 1, 0, 0]
    for number in (2, 3):
        plot_front(frame, tmp_path / f"{number}.png", picks=ladder[:number])
    assert reddish(tmp_path / "3.png") > reddish(tmp_path / "2.png")


def test_trained_networks_are_drawn_with_their_intervals(tmp_path: Path) -> None:
    frame, path, wide = scored(*THREE), tmp_path / "front.png", tmp_path / "wide.png"
    plot_front(frame, path)
    assert greenish(path) == 0
    networks = trained(("small", 0.05, 6_208), ("elsewhere", 0.06, 30_000))
    plot_front(frame, path, trained=networks)
    plot_front(frame, wide, trained=networks.assign(low=0.01, high=0.1))
    assert greenish(wide) > greenish(path) > 0
    plot_front(frame, wide.with_suffix(".svg"), trained=networks)
    assert "trained, on test images" in wide.with_suffix(".svg").read_text()


def test_a_picked_network_shows_its_expected_accuracy_until_it_is_trained(tmp_path: Path) -> None:
    frame = scored(*THREE, deviation=0.01)
    picked, path = pick(frame, {}), tmp_path / "front.svg"
    plot_front(frame, path, picks=[picked])
    assert "expected after training" in path.read_text()
    plot_front(frame, path, picks=[picked], trained=trained(("large", 0.05, 90_000)))
    assert "expected after training" not in path.read_text()


def test_trained_networks_without_a_measured_cost_are_left_out(tmp_path: Path) -> None:
    frame, path = scored(*THREE).assign(latency_ms=[1.0, 2.0, 3.0]), tmp_path / "front.svg"
    plot_front(frame, path, trained=trained(("elsewhere", 0.06, 30_000)), x="latency_ms")
    assert "trained" not in path.read_text()
    plot_front(frame, path, trained=trained(("small", 0.06, 6_208)), x="latency_ms")
    assert "trained" in path.read_text()


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
