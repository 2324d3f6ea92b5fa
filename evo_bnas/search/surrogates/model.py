"""The interface of surrogates: fitted to measured networks, they rank others."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, slots=True)
class Sample:
    """Measured networks, the training data of a surrogate."""

    features: np.ndarray  # (n, d)
    error: np.ndarray  # (n,) fraction
    noise: np.ndarray  # (n,) standard deviation of the error
    # (n,) bool: measured by an earlier search with other weights; comparable only with each other.
    earlier: np.ndarray

    def __len__(self) -> int:
        return len(self.error)

    def rows(self, index: np.ndarray) -> "Sample":
        """The networks at these indices, or where this mask is true."""
        return Sample(self.features[index], self.error[index], self.noise[index], self.earlier[index])

    def thinned(self, size: int, rng: np.random.Generator) -> "Sample":
        """At most `size` networks, drawn without replacement; networks of this search are preferred."""
        if len(self) <= size:
            return self
        order = rng.permutation(len(self))
        order = order[np.argsort(self.earlier[order], kind="stable")]
        return self.rows(np.sort(order[:size]))


class Model(Protocol):
    """A fitted surrogate."""

    def score(self, features: np.ndarray) -> np.ndarray:
        """Scores (m,) of rows of features (m, d): a lower score predicts a lower error, in no unit."""


class Surrogate(Protocol):
    """Fits models; equal samples and generator states give equal scores."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Model:
        """Fit to a sample of any size; equal errors give equal scores."""
