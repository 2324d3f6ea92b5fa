"""Gaussian process regression of the error.

Rasmussen and Williams, "Gaussian processes for machine learning", MIT Press 2006.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_bnas.search.surrogates.constant import Constant
from evo_bnas.search.surrogates.model import Model, Sample

# Fitting takes time cubic in the networks.
_MAX_NETWORKS = 500


@dataclass(frozen=True, slots=True)
class Process:
    """Scores are posterior means of the error minus its mean."""

    regressor: Any  # of scikit-learn, which is untyped

    def score(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(self.regressor.predict(features), dtype=float)


def gp(sample: Sample, rng: np.random.Generator) -> Model:
    """Fit a Matérn 5/2 kernel and a noise level by marginal likelihood, from a fixed start.

    At most 500 networks are used, drawn at random from more.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    sample = sample.thinned(_MAX_NETWORKS, rng)
    error = _centred(sample)
    spread = float(np.std(error)) if len(error) else 0.0
    if spread == 0.0:
        return Constant()
    kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(3.0, (0.3, 100.0), nu=2.5) + WhiteKernel(
        1e-2, (1e-5, 1.0)
    )
    # The noise of the measurement is given; the fitted level is what the features do not explain.
    variance = (sample.noise / spread) ** 2 + 1e-8
    regressor = GaussianProcessRegressor(kernel=kernel, alpha=variance, normalize_y=True)
    return Process(_fit(regressor, sample.features, error))


def _centred(sample: Sample) -> np.ndarray:
    """Errors minus the mean of their search, (n,), since errors of two searches are not comparable."""
    error = sample.error.copy()
    for group in (sample.earlier, ~sample.earlier):
        if group.any():
            error[group] -= error[group].mean()
    return error


def _fit(regressor: Any, features: np.ndarray, error: np.ndarray) -> Any:
    """Fit without the warning that a parameter is at its bound, which is intended."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return regressor.fit(features, error)
