"""The choice of a surrogate by cross-validation.

The adaptive switching of NSGANetV2 (Lu et al., ECCV 2020), with pairwise models.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from evo_bnas.search.surrogates.cross_validation import cross_validated
from evo_bnas.search.surrogates.model import Model, Sample, Surrogate
from evo_bnas.search.surrogates.pair_bt import pair_bt
from evo_bnas.search.surrogates.pair_linear import pair_linear

# The simpler comes first, since the first of equally good surrogates is chosen.
CHEAP: Mapping[str, Surrogate] = MappingProxyType({"pair-linear": pair_linear, "pair-bt": pair_bt})

# More networks take longer and hardly change the choice.
_MAX_NETWORKS = 200


def choose(
    among: Mapping[str, Surrogate], sample: Sample, rng: np.random.Generator
) -> tuple[str, np.ndarray]:
    """The surrogate with the largest mean minus standard deviation of tau over folds, and its taus (folds,).

    All get the same folds, of at most 200 networks.
    """
    sample = sample.thinned(_MAX_NETWORKS, rng)
    folds = int(rng.integers(2**32))
    taus = {
        name: cross_validated(surrogate, sample, np.random.default_rng(folds))
        for name, surrogate in among.items()
    }
    best = max(taus, key=lambda name: float(taus[name].mean() - taus[name].std()))
    return best, taus[best]


def auto(sample: Sample, rng: np.random.Generator) -> Model:
    """The surrogate of `CHEAP` that is chosen for a sample, fitted to all of it."""
    name, _ = choose(CHEAP, sample, rng)
    return CHEAP[name](sample, rng)
