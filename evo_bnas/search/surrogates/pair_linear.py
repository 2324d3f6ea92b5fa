"""Logistic regression of which network of a pair is worse, on differences of features.

p(a worse than b) = sigmoid(w · (a - b)), so p(a, b) + p(b, a) = 1 by construction, and w · a is a score.
"""

from dataclasses import dataclass

import numpy as np

from evo_bnas.search.surrogates.bradley_terry import loss
from evo_bnas.search.surrogates.model import Sample
from evo_bnas.search.surrogates.pairs import worse_and_better

# Ridge penalty on the weights, relative to the mean loss of a pair.
_DECAY = 1e-3
_ITERATIONS = 100


@dataclass(frozen=True, slots=True)
class Linear:
    """Scores are weighted sums of features."""

    weights: np.ndarray  # (d,)

    def score(self, features: np.ndarray) -> np.ndarray:
        scores: np.ndarray = features @ self.weights
        return scores


def pair_linear(sample: Sample, rng: np.random.Generator) -> Linear:
    """Fit by L-BFGS; only the draw of pairs is random."""
    from scipy.optimize import minimize

    pairs = worse_and_better(sample, rng)

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        # Scores before differences: a product of n rows instead of one row for each pair.
        value, slope = loss(sample.features @ weights, pairs)
        return value + _DECAY * weights @ weights, slope @ sample.features + 2 * _DECAY * weights

    start = np.zeros(sample.features.shape[1])
    fitted = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
    return Linear(fitted.x)
