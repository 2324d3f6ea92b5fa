"""Counter-based randomness: a draw depends only on (seed, stream, counter), not on earlier draws.

So no generator state is ever saved, and a resumed training equals an uninterrupted one.
"""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What the numbers are used for; the streams of a seed are independent."""

    ORDER = 0
    ARCHITECTURES = 1
    AUGMENTATION = 2
    WEIGHTS = 3
    CALIBRATION = 4


def generator(seed: int, stream: Stream, counter: int = 0) -> np.random.Generator:
    """A generator for one counter, such as an epoch or a step."""
    return np.random.default_rng([seed, stream, counter])


def torch_seed(seed: int, stream: Stream, counter: int = 0) -> int:
    """The seed of a torch generator for one counter."""
    return int(generator(seed, stream, counter).integers(2**63 - 1))


def torch_generator(seed: int, stream: Stream, counter: int, device: torch.device) -> torch.Generator:
    """A torch generator on a device for one counter."""
    return torch.Generator(device).manual_seed(torch_seed(seed, stream, counter))
