"""Estimates of measured costs, such as a latency, for networks that were not measured.

For an error a surrogate predicts only a ranking, which is all that dominance needs. A cost may have a limit,
so it is estimated in its own unit: by ridge regression of its logarithm on the features of a network (Hoerl
and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12, 1970). The
fit uses no random numbers.
"""

from dataclasses import dataclass

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.network.objectives import EXACT
from evo_bnas.search.features import FeatureCache
from evo_bnas.search.surrogates.cross_validation import kendall

_MIN_NETWORKS = 3  # for leave-one-out estimates
_PENALTIES = np.logspace(-2, 2, 9)
# Fitting takes time quadratic in the networks, and the last ones are closest to the front.
_MAX_NETWORKS = 1_000


@dataclass(frozen=True, slots=True)
class CostModel:
    """Estimates of one measured cost, and their quality on networks left out of the fit."""

    weights: np.ndarray  # (d,)
    offset: float
    tau: float  # Kendall's, of estimated and measured values, in [-1, 1]
    error: float  # median relative error of an estimate, fraction

    def estimate(self, features: np.ndarray) -> np.ndarray:
        """The cost of each row of features (n, d), (n,), in the unit of its objective."""
        costs: np.ndarray = np.exp(features @ self.weights + self.offset)
        return costs


def fit(features: np.ndarray, values: np.ndarray) -> CostModel:
    """Fit to the positive costs (n,) of networks (n, d).

    The ridge penalty is the one with the smallest leave-one-out error.
    """
    from sklearn.linear_model import RidgeCV

    logs = np.log(values)
    if len(logs) < _MIN_NETWORKS or np.ptp(logs) == 0:
        return CostModel(np.zeros(features.shape[1]), float(logs.mean()) if len(logs) else 0.0, 0.0, 0.0)
    # With an explicit scoring it stores estimates instead of their squared errors.
    regressor = RidgeCV(_PENALTIES, scoring="neg_mean_squared_error", store_cv_results=True)
    regressor.fit(features, logs)
    left_out = regressor.cv_results_[:, list(_PENALTIES).index(regressor.alpha_)]
    error = float(np.median(np.abs(np.expm1(left_out - logs))))
    return CostModel(regressor.coef_, float(regressor.intercept_), kendall(left_out, logs), error)


def cost_models(cache: FeatureCache, archive: Archive) -> dict[str, CostModel]:
    """A model of each measured objective except the error, fitted to the last 1,000 scores of an archive.

    Earlier searches with other weights are left out: they may have been measured on another host.
    """
    names = [name for name in cache.problem.objectives if name not in (*EXACT, "error")]
    if not names:
        return {}
    scored = archive.scored[-_MAX_NETWORKS:]
    features = cache.features([proposal.architecture for proposal, _ in scored])
    return {name: fit(features, np.array([score.objectives[name] for _, score in scored])) for name in names}
