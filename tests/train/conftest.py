"""Fixtures of the tests of training."""

from collections.abc import Iterator

import pytest
import torch

from evo_bnas.supernet.supernet import Supernet
from tests.support.training import NoCheckpoint, train_tiny


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Networks are tiny, and sums must be rounded the same way every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def uninterrupted(_one_thread: None) -> Supernet:
    """The supernet of `train_tiny`, trained without a stop."""
    return train_tiny(NoCheckpoint())
