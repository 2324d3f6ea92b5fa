"""Scores: functions of weights, architecture and conditions, and of nothing else."""

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest
import torch

from evo_bnas.archive.correct import pack_correct
from evo_bnas.archive.score import Score
from evo_bnas.data.dataset import Dataset, load
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.evaluate.supernet import SupernetEvaluator, classified, error_of
from evo_bnas.network.objectives import OBJECTIVES, exact_objectives
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet
from tests.support.digits import DIGITS
from tests.support.strategies import SPACES

SPACE = SPACES["elastic-8"]
CONDITIONS = EvaluationProtocol("data", 359, "calibration", 128, torch.get_num_threads(), "cpu")
ARCHITECTURES = (
    SPACE.smallest(),
    SPACE.largest(),
    *(SPACE.sample(np.random.default_rng(seed)) for seed in range(3)),
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load(DIGITS, seed=0)


def evaluator(digits: Dataset) -> SupernetEvaluator:
    return SupernetEvaluator(
        Supernet(SPACE, seed=5),
        calibration=digits.train[:512],
        search=digits.search,
        weights="weights",
        protocol=CONDITIONS,
    )


def timeless(scores: Sequence[Score]) -> dict[Architecture, Score]:
    return {a: replace(s, seconds=0.0) for a, s in zip(ARCHITECTURES, scores, strict=True)}


def test_an_evaluation_is_a_pure_function(digits: Dataset) -> None:
    first = evaluator(digits)
    expected = timeless(first(ARCHITECTURES))
    # Again, in another order, by another evaluator, one by one, and wherever the process stands.
    assert timeless(first(ARCHITECTURES)) == expected
    assert timeless(first(ARCHITECTURES[::-1])[::-1]) == expected
    other = evaluator(digits)
    torch.manual_seed(7)
    other.supernet.eval()
    assert timeless([other([architecture])[0] for architecture in ARCHITECTURES]) == expected
    with torch.no_grad():
        torch.randn(100)
        assert timeless(other(ARCHITECTURES)) == expected


def test_an_evaluation_leaves_weights_and_images_alone(digits: Dataset) -> None:
    measuring = evaluator(digits)
    kept = {name: value.clone() for name, value in measuring.supernet.state_dict().items()}
    images = digits.search.pixels.clone(), measuring.calibration.clone()
    measuring(ARCHITECTURES)
    assert all(torch.equal(kept[name], value) for name, value in measuring.supernet.state_dict().items())
    assert torch.equal(images[0], digits.search.pixels)
    assert torch.equal(images[1], measuring.calibration)
    assert all(parameter.grad is None for parameter in measuring.supernet.parameters())


def test_a_score_says_everything(digits: Dataset) -> None:
    for architecture, score in zip(ARCHITECTURES, evaluator(digits)(ARCHITECTURES), strict=True):
        assert score.status == "ok"
        assert score.objectives.keys() == OBJECTIVES.keys() - {"latency_ms"}
        costs = exact_objectives(SPACE.cost(architecture))
        assert {name: score.objectives[name] for name in costs} == costs
        assert score.seconds > 0
        assert (score.weights, score.protocol) == ("weights", CONDITIONS.hash)


def test_the_error_is_that_of_the_bits(digits: Dataset) -> None:
    for score in evaluator(digits)(ARCHITECTURES):
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(score.correct), np.uint8))
        assert len(digits.search) <= len(bits) < len(digits.search) + 8
        assert not bits[len(digits.search) :].any()
        assert score.objectives["error"] == 1 - int(bits.sum()) / len(digits.search)


def test_bits_are_those_of_the_extracted_network(digits: Dataset) -> None:
    measuring = evaluator(digits)
    for architecture, score in zip(ARCHITECTURES, measuring(ARCHITECTURES), strict=True):
        network = partial(measuring.supernet, architecture=architecture)
        statistics = calibrate(network, measuring.calibration, 128)
        extracted = measuring.supernet.extract(architecture, statistics).eval()
        correct = classified(extracted, digits.search, digits.search.y, 128)
        assert pack_correct(correct.numpy()) == score.correct
        assert error_of(correct) == score.objectives["error"]


def test_every_condition_changes_the_protocol() -> None:
    hashes = {CONDITIONS.hash}
    for field in fields(EvaluationProtocol):
        value = getattr(CONDITIONS, field.name)
        other = replace(CONDITIONS, **{field.name: value + (1 if isinstance(value, int) else "x")})
        hashes.add(other.hash)
    assert len(hashes) == 1 + len(fields(EvaluationProtocol))
    assert replace(CONDITIONS).hash == CONDITIONS.hash


def test_classified_compares_image_by_image() -> None:
    images, labels = torch.arange(5.0).view(5, 1, 1, 1), torch.tensor([0, 1, 2, 0, 1])

    def classify(part: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(part.flatten().long() % 3, 3).float()

    for batch in (1, 2, 5, 9):
        assert classified(classify, images, labels, batch).tolist() == [True] * 5
    wrong = (labels + torch.tensor([1, 0, 0, 0, 1])) % 3
    assert classified(classify, images, wrong, 2).tolist() == [False, True, True, True, False]
    assert error_of(classified(classify, images, wrong, 2)) == 1 - 3 / 5
