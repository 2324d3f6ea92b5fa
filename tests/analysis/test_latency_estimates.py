"""Quality of latency estimates, on made-up measurements."""

from pathlib import Path

import numpy as np
import pytest

from analysis.latency_estimates import different_shapes, held_out, repeated
from analysis.shared.command import measure
from evo_bnas.errors import UsageError
from evo_bnas.space.catalogue import load


def test_what_features_explain_is_predicted_and_what_they_do_not_is_not() -> None:
    rng = np.random.default_rng(0)
    rows = rng.random((60, 3))
    explained, unrelated = np.exp(rows @ [1.0, -0.5, 0.2]), np.exp(rng.normal(size=60))
    predicted = held_out(rows, explained, 30, splits=4)
    assert min(predicted["tau"]) > 0.95
    assert max(predicted["error"]) < 0.01
    predicted = held_out(rows, unrelated, 30, splits=4)
    assert max(map(abs, predicted["tau"])) < 0.5
    assert min(predicted["error"]) > 0.2


def test_the_distance_of_two_measurements_is_relative_to_the_shorter_one() -> None:
    figures = repeated(np.array([[1.0, 2.0, 4.0], [1.1, 1.6, 4.0]]))
    assert figures["apart"] == pytest.approx({"median": 0.1, "most": 0.25})
    assert figures["ms"] == [1.0, 4.0]


def test_networks_have_different_shapes() -> None:
    blueprints = different_shapes(load("nb201-binary-8"), 40).values()
    assert len({blueprint.shape_key for blueprint in blueprints}) == 40


def test_more_networks_than_a_space_has_shapes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--networks 100: tiny-8.*at most \d+"):
        different_shapes(load("tiny-8"), 100)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["--networks", "60"], "--fitted 60"),
        (["--fitted", "2"], "--fitted 2"),
        (["--splits", "0"], "--splits 0"),
        (["--spaces", "tiny-9"], "'tiny-9'"),
    ],
)
def test_options_that_give_no_figure_are_refused(words: list[str], key: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=key):
        measure("latency_estimates", [*words, "--results", str(tmp_path), "--work", str(tmp_path)])
