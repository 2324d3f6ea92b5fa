"""Which architectures a training step sees; together they share one batch and one optimizer step."""

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


def fair(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """As many architectures as a gene has options at most: each option of that gene once.

    Genes with fewer options use each as often as the others, give or take one (Chu et al., FairNAS, 2021).
    That holds for the genes as drawn: some have no say in a shallow network, or are changed by repair.
    """
    count = max(space.sizes, default=1)
    columns = [
        # Shuffled twice: which options come once more than the others, and who gets which.
        rng.permutation(np.resize(rng.permutation(size), count)).tolist()
        for size in space.sizes
    ]
    return [space.architecture([column[i] for column in columns]) for i in range(count)]


def sandwich(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """The largest, the smallest and two of uniform genes (Yu et al., BigNAS, 2020)."""
    return [space.largest(), space.smallest(), space.sample(rng), space.sample(rng)]


def cost_uniform(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """One architecture whose ops are drawn uniformly between the smallest and the largest network's."""
    return [space.sample_cost_uniform(rng)]


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {"uniform": uniform, "fair": fair, "sandwich": sandwich, "cost_uniform": cost_uniform}
)
