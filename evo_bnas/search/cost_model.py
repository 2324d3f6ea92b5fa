"""What a measured cost, such as a latency, is expected to be of networks that were not measured.

Of an error a rank is foretold, which is all that dominance asks for. A cost may have a limit, so it is
estimated in its own unit: by ridge regression of its logarithm on what a surrogate sees of a network (Hoerl
and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12, 1970). No
generator has a say in it.
"""

from dataclasses import dataclass

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.network.objectives import EXACT
from evo_bnas.search.features import FeatureCache
from evo_bnas.search.surrogates.cross_validation import kendall

_LEAST = 3  # networks; fewer cannot be left out one at a time
_PENALTIES = np.logspace(-2, 2, 9)
# Fitting takes time in the square of the networks, and the last ones are near the front.
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class CostModel:
    """Estimates of one measured cost, and what such estimates were worth for networks left out of the fit."""

    weights: np.ndarray  # (d,)
    offset: float
    tau: float  # Kendall's, of estimated and measured values, in [-1, 1]
    off: float  # the median relative error of an estimate, fraction

    def estimate(self, features: np.ndarray) -> np.ndarray:
        """The cost of each row of features (n, d), (n,), in the unit of its objective."""
        costs: np.ndarray = np.exp(features @ self.weights + self.offset)
        return costs


def fit(features: np.ndarray, values: np.ndarray) -> CostModel:
    """Fit to the positive costs (n,) of networks (n, d).

    The ridge is the one that foretells best what is left out, one network at a time.
    """
    from sklearn.linear_model import RidgeCV

    logs = np.log(values)
    if len(logs) < _LEAST or np.ptp(logs) == 0:
        return CostModel(np.zeros(features.shape[1]), float(logs.mean()) if len(logs) else 0.0, 0.0, 0.0)
    # With a scoring of its own it keeps estimates instead of their squared errors.
    regressor = RidgeCV(_PENALTIES, scoring="neg_mean_squared_error", store_cv_results=True)
    regressor.fit(features, logs)
    left_out = regressor.cv_results_[:, list(_PENALTIES).index(regressor.alpha_)]
    off = float(np.median(np.abs(np.expm1(left_out - logs))))
    return CostModel(regressor.coef_, float(regressor.intercept_), kendall(left_out, logs), off)


def cost_models(known: FeatureCache, archive: Archive) -> dict[str, CostModel]:
    """A model of each measured objective but the error, fitted to the last 1,000 scores of an archive.

    Earlier searches with other weights have no say: they may have been measured on another host.
    """
    names = [name for name in known.problem.objectives if name not in (*EXACT, "error")]
    if not names:
        return {}
    scored = archive.scored[-_MOST:]
    features = known.features([proposal.key for proposal, _ in scored])
    return {name: fit(features, np.array([score.objectives[name] for _, score in scored])) for name in names}
