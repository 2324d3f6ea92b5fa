"""The likelihood of pairwise comparisons.

Bradley and Terry, "Rank analysis of incomplete block designs", Biometrika 39, 1952: each network has a
score s, and p(a worse than b) = sigmoid(s(a) - s(b)).
"""

import numpy as np


def loss(scores: np.ndarray, pairs: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log-likelihood of pairs (k, 2) of worse and better, and its gradient by score (n,).

    Both are 0 without pairs.
    """
    if not len(pairs):
        return 0.0, np.zeros_like(scores)
    worse, better = pairs.T
    margin = scores[worse] - scores[better]
    decay = np.exp(-np.abs(margin))  # cannot overflow
    value = (np.log1p(decay) - np.minimum(margin, 0)).mean()
    surprise = np.where(margin > 0, decay, 1.0) / (1 + decay) / len(pairs)  # 1 - p, of the mean
    size = len(scores)
    return float(value), np.bincount(better, surprise, size) - np.bincount(worse, surprise, size)
