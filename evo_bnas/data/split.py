"""Which images train, which score candidates, and which test.

The test part, which no search ever sees, is the published one where there is one, else a share of every
class that is the same for every seed: test accuracies of different seeds compare. The search part is a share
of every class, drawn by the seed from what is left; the rest trains.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.errors import UsageError

_TEST_SEED = 0

Indices = NDArray[np.int64]


class Parts(NamedTuple):
    """Indices of the images of each part, sorted."""

    train: Indices
    search: Indices
    test: Indices


def split(
    labels: NDArray[np.int64],
    classes: Sequence[str],
    seed: int,
    *,
    test: NDArray[np.bool_] | None = None,
    search_share: float = 0.2,
    test_share: float = 0.2,
) -> Parts:
    """Divide the images; `test` marks a published test part.

    Shares are those of all images that are not in a published test part. Raises UsageError where a class
    has too few images to be in every part.
    """
    everything = np.arange(len(labels))
    if test is not None:
        tested = np.flatnonzero(test)
        rest = shared = np.flatnonzero(~test)
    else:
        tested = _drawn(labels, everything, everything, test_share, np.random.default_rng(_TEST_SEED))
        rest, shared = np.setdiff1d(everything, tested), everything
    search = _drawn(labels, rest, shared, search_share, np.random.default_rng([seed, 1]))
    parts = Parts(np.setdiff1d(rest, search), search, tested)
    _check(labels, classes, parts)
    return parts


def _drawn(
    labels: NDArray[np.int64], among: Indices, shared: Indices, share: float, rng: np.random.Generator
) -> Indices:
    """A share of every class of the `shared` images, drawn from some of them."""
    taken = [
        rng.permutation(among[labels[among] == label])[: round(share * np.sum(labels[shared] == label))]
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(taken))


def _check(labels: NDArray[np.int64], classes: Sequence[str], parts: Parts) -> None:
    for number, name in enumerate(classes):
        for part, indices in zip(Parts._fields, parts, strict=True):
            if not np.any(labels[indices] == number):
                raise UsageError(
                    f"class {name!r} has {np.sum(labels == number)} images: none of them is left for the "
                    f"{part} part; add images, leave the class out, or change data.search_share or test_share"
                )
