"""The study of latency estimates, with as few networks as tell anything."""

import json

import numpy as np
import pytest

from analysis import latency_estimates
from analysis.latency_estimates import drawn, held_out, repeated
from evo_bnas.errors import UsageError
from evo_bnas.space.catalogue import load

FEW = ["--spaces", "tiny-8", "--networks", "6", "--fitted", "3", "--splits", "2"]


def test_the_study_says_what_estimates_and_measurements_are_worth(capsys: pytest.CaptureFixture[str]) -> None:
    latency_estimates.main([*FEW, "--format", "json"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = figures["foretold"]
    assert [(row["fitted"], row["sees"]) for row in rows] == [
        (3, "genes, ops and params"),
        (3, "ops alone"),
    ]
    for row in rows:
        assert -1 <= row["tau"][0] <= row["tau"][1] <= row["tau"][2] <= 1
        assert 0 <= row["off"][0] <= row["off"][1] <= row["off"][2]
    (again,) = figures["repeated"]
    assert (again["space"], again["networks"]) == ("tiny-8", 6)
    assert 0 < again["ms"][0] < again["ms"][1]
    assert 0 <= again["apart"][0] <= again["apart"][1] <= again["apart"][2]


def test_the_study_is_shown_to_a_person(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ms = np.array([[1.0, 2, 3, 4, 5, 8], [1.1, 2, 3, 4, 5, 4.5]])
    monkeypatch.setattr(latency_estimates, "measured_twice", lambda *_: ms)
    latency_estimates.main(FEW)
    shown = capsys.readouterr().out
    assert "one thread; 2 splits of 6 networks" in shown
    assert shown.splitlines()[-1].split() == ["tiny-8", "1", "to", "8", "0.87", "0.0", "43.9", "77.8"]


def test_what_features_explain_is_foretold_and_what_they_do_not_is_not() -> None:
    rng = np.random.default_rng(0)
    rows = rng.random((60, 3))
    explained, unrelated = np.exp(rows @ [1.0, -0.5, 0.2]), np.exp(rng.normal(size=60))
    tau, off = held_out(rows, explained, 30, splits=4)
    assert tau.shape == off.shape == (4,)
    assert (tau > 0.95).all()
    assert (off < 0.01).all()
    tau, off = held_out(rows, unrelated, 30, splits=4)
    assert (np.abs(tau) < 0.5).all()
    assert (off > 0.2).all()


def test_a_difference_is_the_greater_over_the_lesser() -> None:
    found = repeated("made up", np.array([[1.0, 2.0, 4.0], [1.1, 1.6, 4.0]]))
    assert found.apart == pytest.approx([0.1, 0.22, 0.25])
    assert (found.ms, found.tau) == ([1.0, 4.0], 1)


def test_networks_have_different_shapes_and_end_where_there_are_no_more() -> None:
    blueprints = drawn(load("nb201-binary-8"), 40).values()
    assert len({blueprint.shape_key for blueprint in blueprints}) == 40
    with pytest.raises(UsageError, match=r"--networks 100: tiny-8 gave \d+ different shapes in 2000 draws"):
        drawn(load("tiny-8"), 100)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--networks", "60"], "--fitted 60: fit 3 or more, and leave 3 or more of the 60 networks"),
        (["--fitted", "2"], "--fitted 2: fit 3 or more"),
        (["--splits", "0"], "--splits 0: makes no estimate; ask for 1 or more"),
        (["--spaces", "tiny-9"], "unknown space 'tiny-9'"),
    ],
)
def test_what_gives_no_figure_ends_with_a_sentence(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        latency_estimates.main(asked)
    assert end.value.code == 2
    assert said in capsys.readouterr().err
