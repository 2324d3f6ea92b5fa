"""Pairs of a worse and a better network.

n networks give up to n(n-1)/2 pairs, a large training set from few evaluations (SMEM-NAS, arXiv 2407.15600).
"""

import numpy as np

from evo_bnas.search.surrogates.model import Sample

MAX_PAIRS = 20_000


def worse_and_better(sample: Sample, rng: np.random.Generator, size: int = MAX_PAIRS) -> np.ndarray:
    """Index pairs (k, 2) of a worse and a better network, at most `size` of them, drawn by `rng`.

    Pairs whose errors differ by no more than the larger of their two noises are left out, since it is unknown
    which is better. So are pairs of a network of this search and one of an earlier search; if there are
    networks of an earlier search, their pairs are half of the draws.
    """
    share = size // 2 if sample.earlier.any() else size
    drawn = [_draw(np.flatnonzero(group), share, rng) for group in (~sample.earlier, sample.earlier)]
    first, second = np.concatenate(drawn, axis=1)
    difference = sample.error[first] - sample.error[second]
    significant = np.abs(difference) > np.maximum(sample.noise[first], sample.noise[second])
    worse = np.where(difference > 0, first, second)[significant]
    better = np.where(difference > 0, second, first)[significant]
    return np.stack([worse, better]).T  # with contiguous columns, which makes the loss faster


def _draw(members: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """All pairs of members, or `size` drawn with replacement, (2, k)."""
    n = len(members)
    if n * (n - 1) // 2 <= size:
        return np.array(members[np.stack(np.triu_indices(n, 1))])
    first = rng.integers(n, size=size)
    return np.array(members[np.stack([first, (first + rng.integers(1, n, size=size)) % n])])
