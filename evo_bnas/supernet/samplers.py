"""Which architectures a training step sees."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from evo_bnas.space.genes import Architecture, Space

Sampler = Callable[[Space, np.random.Generator], list[Architecture]]

# Uniform genes hardly ever give the ends of a space, whose weights all others share.
_EXTREME_SHARE = 0.15


def uniform(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """One architecture of uniform genes (Guo et al., SPOS, 2020), or now and then an extreme."""
    draw = rng.random()
    if draw < _EXTREME_SHARE:
        return [space.smallest()]
    if draw < 2 * _EXTREME_SHARE:
        return [space.largest()]
    return [space.sample(rng)]


def sandwich(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """The largest, the smallest and two of uniform genes (Yu et al., BigNAS, 2020)."""
    return [space.largest(), space.smallest(), space.sample(rng), space.sample(rng)]


SAMPLERS: Mapping[str, Sampler] = MappingProxyType({"uniform": uniform, "sandwich": sandwich})
