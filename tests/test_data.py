"""Images: the parts, their normalisation, and what seeds change."""

import numpy as np
import pytest
import torch

from evo_bnas.data import Dataset, load, split
from evo_bnas.errors import UsageError
from evo_bnas.sources import describe, source

LABELS = source("digits").read().labels


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", seed=0)


def test_digits(digits: Dataset) -> None:
    assert digits.image == (1, 8, 8)
    assert digits.classes == tuple("0123456789")
    assert (len(digits.train), len(digits.search), len(digits.test)) == (1079, 359, 359)
    for part in (digits.train, digits.search, digits.test):
        assert part.x.shape == (len(part), 1, 8, 8)
        assert part.x.dtype == torch.float32
        assert part.y.dtype == torch.int64
    assert describe("digits") == ((1, 8, 8), 10)


def test_the_train_part_is_normalised(digits: Dataset) -> None:
    assert digits.train.x.mean().abs() < 1e-6
    assert (digits.train.x.std(correction=0) - 1).abs() < 1e-6
    # Raw pixels come back by mean and std.
    raw = digits.test.x * digits.std[0] + digits.mean[0]
    assert torch.allclose(raw, raw.round(), atol=1e-5)
    assert raw.round().aminmax() == (0, 16)


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_parts_are_disjoint_and_stratified(seed: int) -> None:
    parts = split(LABELS, seed)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))
    for label in range(10):
        train, search, test = (int(np.sum(LABELS[part] == label)) for part in parts)
        total = train + search + test
        assert search == test == round(0.2 * total)


def test_seeds_change_the_search_part_and_never_the_test_part(digits: Dataset) -> None:
    other = load("digits", seed=1)
    one, two = split(LABELS, 0), split(LABELS, 1)
    assert np.array_equal(one[2], two[2])
    assert not np.array_equal(one[1], two[1])
    assert torch.equal(digits.test.y, other.test.y)
    assert digits.fingerprint != other.fingerprint


def test_the_same_seed_is_the_same_data(digits: Dataset) -> None:
    again = load("digits", seed=0)
    assert again.fingerprint == digits.fingerprint
    assert torch.equal(again.train.x, digits.train.x)


def test_unknown_data_set() -> None:
    with pytest.raises(UsageError, match=r"unknown data set 'digit'; did you mean .digits.\?"):
        load("digit", seed=0)
