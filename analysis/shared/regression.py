"""A surrogate that predicts the error itself, to compare the pairwise ones with."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_bnas.search.surrogates.model import Sample


@dataclass(frozen=True, slots=True)
class Regression:
    """Scores are predicted errors."""

    regressor: Any  # of scikit-learn, which has no types

    def score(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(self.regressor.predict(features), dtype=float)

    def uncertainty(self, features: np.ndarray) -> None:
        return None


def ridge(sample: Sample, rng: np.random.Generator) -> Regression:
    """Least squares on the features, with a penalty of 1 on the weights."""
    from sklearn.linear_model import Ridge

    return Regression(Ridge(alpha=1.0).fit(sample.features, sample.error))
