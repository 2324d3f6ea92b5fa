"""Pairs of measured networks, of which the worse one is known.

n networks give up to n(n-1)/2 of them; that makes a large training set of few evaluations (SMEM-NAS,
arXiv 2407.15600).
"""

import numpy as np

from evo_bnas.search.surrogates.model import Sample

MOST = 20_000


def worse_and_better(sample: Sample, rng: np.random.Generator, most: int = MOST) -> np.ndarray:
    """Index pairs (k, 2) of a worse and a better network, at most `most` of them, drawn by `rng`.

    Pairs whose errors differ by no more than the larger of their two noises are left out: which of them is
    better is not known. So are pairs of this search and an earlier one, which has half of the draws.
    """
    share = most // 2 if sample.earlier.any() else most
    drawn = [_draw(np.flatnonzero(group), share, rng) for group in (~sample.earlier, sample.earlier)]
    one, other = np.concatenate(drawn, axis=1)
    difference = sample.error[one] - sample.error[other]
    known = np.abs(difference) > np.maximum(sample.noise[one], sample.noise[other])
    worse, better = np.where(difference > 0, one, other), np.where(difference > 0, other, one)
    return np.stack([worse[known], better[known]]).T  # columns contiguous, which makes the loss faster


def _draw(members: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """All pairs of members (2, k), or `most`: with replacement, which costs no more for many members."""
    n = len(members)
    if n * (n - 1) // 2 <= most:
        return np.array(members[np.stack(np.triu_indices(n, 1))])
    one = rng.integers(n, size=most)
    return np.array(members[np.stack([one, (one + rng.integers(1, n, size=most)) % n])])
