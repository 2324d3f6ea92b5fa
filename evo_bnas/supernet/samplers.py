"""The architectures of a training step, which share one batch and one optimizer step."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from evo_bnas.space.genes import Architecture, Space

Sampler = Callable[[Space, np.random.Generator], list[Architecture]]

# Uniform genes almost never give the smallest or largest network, whose weights all others share.
_END_SHARE = 0.15


def uniform(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """One architecture with uniform genes (Guo et al., SPOS, 2020), or sometimes the smallest or largest."""
    draw = rng.random()
    if draw < _END_SHARE:
        return [space.smallest()]
    if draw < 2 * _END_SHARE:
        return [space.largest()]
    return [space.sample(rng)]


def fair(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """Architectures that use every option of a gene equally often (Chu et al., FairNAS, 2021).

    There are as many as the largest number of options; genes with fewer options use each one equally often,
    up to a difference of one. This holds for the sampled genes: some are inactive in shallow networks, or are
    changed by repair.
    """
    count = max(space.sizes, default=1)
    columns = [
        # The inner shuffle decides which options are used once more, the outer one by which architecture.
        rng.permutation(np.resize(rng.permutation(size), count)).tolist()
        for size in space.sizes
    ]
    return [space.architecture([column[i] for column in columns]) for i in range(count)]


def sandwich(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """The largest, the smallest and two architectures with uniform genes (Yu et al., BigNAS, 2020)."""
    return [space.largest(), space.smallest(), space.sample(rng), space.sample(rng)]


def cost_uniform(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """One architecture, with ops distributed uniformly between the smallest and the largest network."""
    return [space.sample_cost_uniform(rng)]


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {"uniform": uniform, "fair": fair, "sandwich": sandwich, "cost_uniform": cost_uniform}
)
