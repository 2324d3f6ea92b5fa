"""Cross-validation: how well a surrogate ranks networks that it was not fitted to."""

import numpy as np

from evo_bnas.archive.ranking import tau
from evo_bnas.search.surrogates.model import Sample, Surrogate

FOLDS = 5


def kendall(score: np.ndarray, error: np.ndarray) -> float:
    """Kendall's tau-b of scores and errors (n,), in [-1, 1]; 0 if all of either are equal.

    Takes time and memory n².
    """
    return tau(score, error) or 0.0


def chance(n: int) -> float:
    """The standard deviation of tau if n networks, 2 or more, are ranked at random.

    Kendall, "A new measure of rank correlation", Biometrika 30, 1938.
    """
    return float((2 * (2 * n + 5) / (9 * n * (n - 1))) ** 0.5)


def cross_validated(surrogate: Surrogate, sample: Sample, rng: np.random.Generator) -> np.ndarray:
    """Tau on each of five folds (5,), of a model fitted to the other four.

    Networks of an earlier search are used to fit, but are in no fold.
    """
    fold = np.where(sample.earlier, FOLDS, rng.permutation(len(sample)) % FOLDS)
    taus = np.zeros(FOLDS)
    for number in range(FOLDS):
        held, rest = sample.rows(fold == number), sample.rows(fold != number)
        taus[number] = kendall(surrogate(rest, rng).score(held.features), held.error)
    return taus
