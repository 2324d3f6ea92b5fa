"""Scores depend on weights, architecture and protocol, and on nothing else."""

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
from evo_bnas.evaluate.supernet import SupernetEvaluator, correctly_classified, error_of
from evo_bnas.network.objectives import OBJECTIVES, exact_objectives
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet
from tests.support.digits import DIGITS
from tests.support.strategies import SPACES

SPACE = SPACES["elastic-8"]
PROTOCOL = EvaluationProtocol("data", 359, "calibration", 128, torch.get_num_threads(), "cpu")
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
        protocol=PROTOCOL,
    )


def without_times(scores: Sequence[Score]) -> dict[Architecture, Score]:
    return {a: replace(s, seconds=0.0) for a, s in zip(ARCHITECTURES, scores, strict=True)}


def test_an_evaluation_is_a_pure_function(digits: Dataset) -> None:
    first = evaluator(digits)
    expected = without_times(first(ARCHITECTURES))
    # Again, in another order, by another evaluator, one by one, and after other random draws.
    assert without_times(first(ARCHITECTURES)) == expected
    assert without_times(first(ARCHITECTURES[::-1])[::-1]) == expected
    other = evaluator(digits)
    torch.manual_seed(7)
    other.supernet.eval()
    assert without_times([other([architecture])[0] for architecture in ARCHITECTURES]) == expected
    with torch.no_grad():
        torch.randn(100)
        assert without_times(other(ARCHITECTURES)) == expected


def test_an_evaluation_does_not_change_weights_and_images(digits: Dataset) -> None:
    scorer = evaluator(digits)
    weights = {name: value.clone() for name, value in scorer.supernet.state_dict().items()}
    images = digits.search.pixels.clone(), scorer.calibration.clone()
    scorer(ARCHITECTURES)
    assert all(torch.equal(weights[name], value) for name, value in scorer.supernet.state_dict().items())
    assert torch.equal(images[0], digits.search.pixels)
    assert torch.equal(images[1], scorer.calibration)
    assert all(parameter.grad is None for parameter in scorer.supernet.parameters())


def test_a_score_is_complete(digits: Dataset) -> None:
    for architecture, score in zip(ARCHITECTURES, evaluator(digits)(ARCHITECTURES), strict=True):
        assert score.status == "ok"
        assert score.objectives.keys() == OBJECTIVES.keys() - {"latency_ms"}
        costs = exact_objectives(SPACE.cost(architecture))
        assert {name: score.objectives[name] for name in costs} == costs
        assert score.seconds > 0
        assert (score.weights, score.protocol) == ("weights", PROTOCOL.hash)


def test_the_error_follows_from_the_correctness_bits(digits: Dataset) -> None:
    for score in evaluator(digits)(ARCHITECTURES):
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(score.correct), np.uint8))
        assert len(digits.search) <= len(bits) < len(digits.search) + 8
        assert not bits[len(digits.search) :].any()
        assert score.objectives["error"] == 1 - int(bits.sum()) / len(digits.search)


def test_the_correctness_bits_are_those_of_the_extracted_network(digits: Dataset) -> None:
    scorer = evaluator(digits)
    for architecture, score in zip(ARCHITECTURES, scorer(ARCHITECTURES), strict=True):
        network = partial(scorer.supernet, architecture=architecture)
        statistics = calibrate(network, scorer.calibration, 128)
        extracted = scorer.supernet.extract(architecture, statistics).eval()
        correct = correctly_classified(extracted, digits.search, digits.search.y, 128)
        assert pack_correct(correct.numpy()) == score.correct
        assert error_of(correct) == score.objectives["error"]


def test_every_field_changes_the_hash_of_the_protocol() -> None:
    hashes = {PROTOCOL.hash}
    for field in fields(EvaluationProtocol):
        value = getattr(PROTOCOL, field.name)
        other = replace(PROTOCOL, **{field.name: value + (1 if isinstance(value, int) else "x")})
        hashes.add(other.hash)
    assert len(hashes) == 1 + len(fields(EvaluationProtocol))
    assert replace(PROTOCOL).hash == PROTOCOL.hash


def test_predictions_are_compared_with_labels_image_by_image() -> None:
    images, labels = torch.arange(5.0).view(5, 1, 1, 1), torch.tensor([0, 1, 2, 0, 1])

    def classify(part: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(part.flatten().long() % 3, 3).float()

    for batch in (1, 2, 5, 9):
        assert correctly_classified(classify, images, labels, batch).tolist() == [True] * 5
    wrong = (labels + torch.tensor([1, 0, 0, 0, 1])) % 3
    assert correctly_classified(classify, images, wrong, 2).tolist() == [False, True, True, True, False]
    assert error_of(correctly_classified(classify, images, wrong, 2)) == 1 - 3 / 5
