"""Scores by 1-bit execution: equal to those of torch except for rounding, with their own protocol."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evo_bnas.archive.correct import unpack_correct
from evo_bnas.archive.score import Score
from evo_bnas.data.dataset import Dataset, load
from evo_bnas.errors import UsageError
from evo_bnas.evaluate import packed
from evo_bnas.evaluate.packed import PackedEvaluator
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.packed.compile import compile_blueprint
from evo_bnas.packed.program import Program
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.start import start
from evo_bnas.space.genes import Space
from evo_bnas.supernet.supernet import Supernet, save_supernet
from tests.support.digits import DIGITS
from tests.support.strategies import SPACES

SPACE = SPACES["elastic-8"]
ARCHITECTURES = (
    SPACE.smallest(),
    SPACE.largest(),
    *(SPACE.sample(np.random.default_rng(seed)) for seed in range(3)),
)
SMALL = ("engine.threads=1", "engine.device=cpu")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load(DIGITS, seed=0)


def evaluator(
    digits: Dataset, kind: type[SupernetEvaluator], threads: int = 1, space: Space = SPACE
) -> SupernetEvaluator:
    backend = "packed" if kind is PackedEvaluator else "torch"
    return kind(
        Supernet(space, seed=5),
        calibration=digits.train[:256],
        search=digits.search,
        weights="weights",
        protocol=EvaluationProtocol("data", 359, "calibration", 128, threads, "cpu", backend=backend),
    )


def without_times(scores: list[Score]) -> list[Score]:
    return [replace(score, seconds=0.0) for score in scores]


def wrong_images(score: Score) -> np.ndarray:
    return ~unpack_correct(score.correct)


def test_packed_and_torch_agree_image_by_image(digits: Dataset) -> None:
    packed, with_torch = (evaluator(digits, kind) for kind in (PackedEvaluator, SupernetEvaluator))
    assert packed.protocol.hash != with_torch.protocol.hash
    for score, other in zip(packed(ARCHITECTURES), with_torch(ARCHITECTURES), strict=True):
        assert (wrong_images(score) != wrong_images(other)).sum() <= 2
        assert score.objectives["error"] == pytest.approx(other.objectives["error"], abs=2.5 / 359)
        assert score.objectives.keys() == other.objectives.keys()
        assert (score.protocol, score.weights) == (packed.protocol.hash, "weights")


def test_a_packed_evaluation_is_a_pure_function(digits: Dataset) -> None:
    first = evaluator(digits, PackedEvaluator)
    expected = without_times(first(ARCHITECTURES))
    weights = {name: value.clone() for name, value in first.supernet.state_dict().items()}
    assert without_times(first(ARCHITECTURES[::-1]))[::-1] == expected
    torch.manual_seed(7)
    other = evaluator(digits, PackedEvaluator)
    assert [without_times(other([network]))[0] for network in ARCHITECTURES] == expected
    assert all(torch.equal(weights[name], value) for name, value in first.supernet.state_dict().items())


def test_the_number_of_threads_does_not_change_a_packed_error(digits: Dataset) -> None:
    first, second = (evaluator(digits, PackedEvaluator, threads)(ARCHITECTURES) for threads in (1, 2))
    assert [score.correct for score in first] == [score.correct for score in second]
    assert [score.protocol for score in first] != [score.protocol for score in second]


@pytest.mark.parametrize(("name", "channels"), [("group-mobile-8", 16), ("binary-cell-8", 24)])
def test_a_common_stem_is_computed_once_and_changes_no_score(
    name: str, channels: int, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SPACES[name]
    networks = [space.smallest(), space.largest(), space.sample(np.random.default_rng(0))]
    compiled: list[Blueprint] = []

    def note(blueprint: Blueprint, *rest: Any) -> Program:
        compiled.append(blueprint)
        return compile_blueprint(blueprint, *rest)

    monkeypatch.setattr(packed, "compile_blueprint", note)
    once = evaluator(digits, PackedEvaluator, space=space)
    scores = without_times(once(networks))
    assert [part.image[0] for part in compiled] == [1, channels, channels, channels]
    assert without_times(pickle.loads(pickle.dumps(once))(networks)) == scores
    monkeypatch.setattr(packed, "MAX_STEM_BYTES", 0)
    every_time = evaluator(digits, PackedEvaluator, space=space)
    compiled.clear()
    assert without_times(every_time(networks)) == scores
    assert [part.image[0] for part in compiled] == [1, 1, 1]


def test_a_packed_score_has_every_cost(digits: Dataset) -> None:
    for architecture, score in zip(
        ARCHITECTURES, evaluator(digits, PackedEvaluator)(ARCHITECTURES), strict=True
    ):
        costs = exact_objectives(SPACE.cost(architecture))
        assert {name: score.objectives[name] for name in costs} == costs
        assert score.objectives["error"] == pytest.approx(1 - unpack_correct(score.correct).sum() / 359)


@pytest.mark.parametrize(("setting", "used"), [("auto", "packed"), ("packed", "packed"), ("torch", "torch")])
def test_a_run_decides_its_backend_once(setting: str, used: str, tmp_path: Path) -> None:
    run = start("digits", tmp_path / "run", [*SMALL, f"evaluate.backend={setting}"])
    assert run.compute.backend == used
    assert Run.open(run.folder).compute.backend == used
    other = "torch" if setting != "torch" else "packed"
    with pytest.raises(UsageError, match=f'evaluate.backend: "{setting}"'):
        start("digits", run.folder, [*SMALL, f"evaluate.backend={other}"])


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(UsageError, match=r"evaluate.backend: .*'auto', 'packed' or 'torch'"):
        start("digits", Path("nowhere"), ["evaluate.backend=onnx"])


@pytest.mark.parametrize("backend", ["packed", "torch"])
def test_a_run_is_scored_by_its_backend(backend: str, tmp_path: Path) -> None:
    run = start("digits", tmp_path / "run", [*SMALL, f"evaluate.backend={backend}"])
    save_supernet(Supernet(run.space, seed=5), run.supernet_file)
    scorer = inputs.evaluator(run)
    assert isinstance(scorer, PackedEvaluator) == (backend == "packed")
    assert (scorer.protocol.backend, scorer.protocol.device) == (backend, "cpu")
    assert scorer([SPACE.smallest()])[0].protocol == scorer.protocol.hash


def test_commands_that_only_read_do_not_import_numba(tmp_path: Path) -> None:
    run = start("digits", tmp_path / "run", SMALL)
    check = (
        "import sys; from typer.testing import CliRunner; from evo_bnas.cli import app;"
        "words = [['--help'], ['cost', 'elastic-8', 'smallest'], ['front', sys.argv[1]]];"
        "assert [CliRunner().invoke(app, w).exit_code for w in words] == [0, 0, 2];"
        "import evo_bnas.run.pipeline;"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check, str(run.folder)], check=True, capture_output=True)
