"""What is printed about picks, searches and trained networks, from values made here."""

from pathlib import Path

import pytest

from evo_bnas.archive.pick import Pick
from evo_bnas.cli.output.run import pick_json, show
from evo_bnas.run.outcomes import TrainedSupernet

PICK = Pick(
    key="c8-c16",
    objectives={"error": 0.025, "ops": 11_104.0, "size_bits": 124_000.0},
    order=("c8-c16", "c8-c32"),
    equals=2,
    reason="It is the cheapest of 2.",
)


def test_a_pick_shows_its_objectives_its_reason_and_the_runner_up(capsys: pytest.CaptureFixture[str]) -> None:
    show(PICK)
    printed = capsys.readouterr().out
    for text in ("c8-c16", "top-1 97.50 %", "ops 11,104", "size 15.5 kB", PICK.reason, "c8-c32"):
        assert text in printed


def test_a_pick_without_a_second_network_names_no_runner_up(capsys: pytest.CaptureFixture[str]) -> None:
    only = Pick("c8-c16", {"error": 0.1}, ("c8-c16",), 1, "It is the only one.")
    show(only)
    assert "runner-up" not in capsys.readouterr().out
    assert pick_json(only)["runner_up"] is None


@pytest.mark.parametrize(("existed", "word"), [(True, "found"), (False, "trained")])
def test_a_supernet_is_found_or_trained(existed: bool, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(TrainedSupernet(Path("runs/out/digits/supernet.safetensors"), existed))
    assert capsys.readouterr().out == f"supernet {word}: runs/out/digits/supernet.safetensors\n"


def test_an_unknown_result_is_a_bug() -> None:
    with pytest.raises(TypeError, match="int"):
        show(3)
