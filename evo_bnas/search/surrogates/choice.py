"""Which of the cheap surrogates to trust with a sample: the one that ranks best what it has not seen.

The switching of NSGANetV2 (Lu et al., ECCV 2020), with pairwise models.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from evo_bnas.search.surrogates.cross_validation import cross_validated
from evo_bnas.search.surrogates.model import Model, Sample, Surrogate
from evo_bnas.search.surrogates.pair_bt import pair_bt
from evo_bnas.search.surrogates.pair_linear import pair_linear

# Of equal ones the first, which is the simpler.
CHEAP: Mapping[str, Surrogate] = MappingProxyType({"pair-linear": pair_linear, "pair-bt": pair_bt})

# Ranking more networks takes longer and hardly says more about which model is better.
_MOST = 200


def choose(
    among: Mapping[str, Surrogate], sample: Sample, rng: np.random.Generator
) -> tuple[str, np.ndarray]:
    """The surrogate with the greatest mean less deviation of tau over folds, and its tau on each (folds,).

    All see the same folds, of at most 200 networks.
    """
    sample = sample.thinned(_MOST, rng)
    folds = int(rng.integers(2**32))
    taus = {
        name: cross_validated(surrogate, sample, np.random.default_rng(folds))
        for name, surrogate in among.items()
    }
    best = max(taus, key=lambda name: float(taus[name].mean() - taus[name].std()))
    return best, taus[best]


def auto(sample: Sample, rng: np.random.Generator) -> Model:
    """The one of `CHEAP` that is chosen for this sample, fitted to all of it."""
    name, _ = choose(CHEAP, sample, rng)
    return CHEAP[name](sample, rng)
