"""What every surrogate is: measured networks in, a ranking of others out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, slots=True)
class Sample:
    """Measured networks."""

    features: np.ndarray  # (n, d)
    error: np.ndarray  # (n,) fraction
    noise: np.ndarray  # (n,) standard deviation of the error
    # (n,) bool: with other weights, in an earlier search; such errors compare with each other alone.
    earlier: np.ndarray

    def __len__(self) -> int:
        return len(self.error)

    def rows(self, index: np.ndarray) -> "Sample":
        """The networks of these indices, or of this mask."""
        return Sample(self.features[index], self.error[index], self.noise[index], self.earlier[index])

    def thinned(self, most: int, rng: np.random.Generator) -> "Sample":
        """All of them, or `most` drawn without replacement, those of an earlier search last."""
        if len(self) <= most:
            return self
        order = rng.permutation(len(self))
        order = order[np.argsort(self.earlier[order], kind="stable")]
        return self.rows(np.sort(order[:most]))


class Model(Protocol):
    """A fitted surrogate."""

    def score(self, features: np.ndarray) -> np.ndarray:
        """A number for each row of features (m, d), lower for a network of lower error; no error itself."""


class Surrogate(Protocol):
    """Equal samples and generator states give models that score alike."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Model:
        """Fit to a sample of any size; one that tells nothing apart gives equal scores."""
