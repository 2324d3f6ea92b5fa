"""Counter-based randomness: what is drawn depends on (seed, stream, counter) and on nothing before.

So no generator is ever saved, and a training that was stopped and resumed is the same training.
"""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What the numbers are for; streams of one seed are independent."""

    ORDER = 0
    ARCHITECTURES = 1
    AUGMENTATION = 2
    WEIGHTS = 3
    CALIBRATION = 4


def generator(seed: int, stream: Stream, counter: int = 0) -> np.random.Generator:
    """The numbers of one counter (an epoch, a step)."""
    return np.random.default_rng([seed, stream, counter])


def torch_seed(seed: int, stream: Stream, counter: int = 0) -> int:
    """The seed of a torch generator for one counter."""
    return int(generator(seed, stream, counter).integers(2**63 - 1))


def torch_generator(seed: int, stream: Stream, counter: int, device: torch.device) -> torch.Generator:
    """The numbers of one counter, drawn on a device."""
    return torch.Generator(device).manual_seed(torch_seed(seed, stream, counter))
