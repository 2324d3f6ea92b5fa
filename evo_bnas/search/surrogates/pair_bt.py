"""A Bradley-Terry model of pairwise comparisons whose scores come from a small perceptron.

p(a worse than b) = sigmoid(s(a) - s(b)) with s a perceptron of one hidden layer: antisymmetric by
construction (RankNet: Burges et al., ICML 2005).
"""

from dataclasses import dataclass

import numpy as np

from evo_bnas.search.surrogates.bradley_terry import loss
from evo_bnas.search.surrogates.model import Sample
from evo_bnas.search.surrogates.pairs import worse_and_better

_HIDDEN = 32
_DECAY = 1e-3
_ITERATIONS = 50
# Training time grows with the networks, and more than a thousand hardly improve the fit.
_MAX_NETWORKS = 1_000


@dataclass(frozen=True, slots=True)
class Perceptron:
    """A network with one hidden layer; without an output bias, since only differences of scores matter."""

    hidden: np.ndarray  # (d, hidden)
    bias: np.ndarray  # (hidden,)
    output: np.ndarray  # (hidden,)

    @classmethod
    def of(cls, parameters: np.ndarray, inputs: int) -> "Perceptron":
        """The network with these flat parameters."""
        hidden, bias, output = np.split(parameters, [inputs * _HIDDEN, (inputs + 1) * _HIDDEN])
        return cls(hidden.reshape(inputs, _HIDDEN), bias, output)

    def activations(self, features: np.ndarray) -> np.ndarray:
        """Outputs of the hidden layer, (m, hidden)."""
        return np.asarray(np.tanh(features @ self.hidden + self.bias))

    def score(self, features: np.ndarray) -> np.ndarray:
        scores: np.ndarray = self.activations(features) @ self.output
        return scores


def pair_bt(sample: Sample, rng: np.random.Generator) -> Perceptron:
    """Fit by L-BFGS with weight decay, from random initial weights."""
    from scipy.optimize import minimize

    sample = sample.thinned(_MAX_NETWORKS, rng)
    pairs = worse_and_better(sample, rng)
    inputs = sample.features.shape[1]

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        network = Perceptron.of(parameters, inputs)
        activations = network.activations(sample.features)
        value, slope = loss(activations @ network.output, pairs)
        inner = slope[:, None] * network.output * (1 - activations**2)  # (n, hidden)
        gradient = [(sample.features.T @ inner).ravel(), inner.sum(axis=0), slope @ activations]
        return value + _DECAY * parameters @ parameters, np.concatenate(gradient) + 2 * _DECAY * parameters

    scale = np.repeat([inputs**-0.5, _HIDDEN**-0.5], [(inputs + 1) * _HIDDEN, _HIDDEN])
    start = scale * rng.standard_normal(len(scale))
    fitted = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
    return Perceptron.of(fitted.x, inputs)
