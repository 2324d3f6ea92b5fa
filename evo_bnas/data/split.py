"""The train, search and test splits: images that train, that score candidates, and that test.

The test split is the published one if there is one; otherwise it is a share of every class, the same for
every seed, so that test accuracies of different seeds can be compared. The search never sees it. The search
split is a share of every class, drawn by the seed from the other images. The rest is the train split.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import DecodedImages
from evo_bnas.errors import UsageError

_TEST_SEED = 0

Indices = NDArray[np.int64]


class Splits(NamedTuple):
    """Indices of the images in each split, sorted."""

    train: Indices
    search: Indices
    test: Indices


def split(images: DecodedImages, classes: Sequence[str], settings: DataSettings, seed: int) -> Splits:
    """Split the images; shares are those of the images that are not in a published test split.

    Raises UsageError if a class has too few images to be in every split.
    """
    labels, everything = images.labels, np.arange(len(images.labels))
    if images.is_test is not None:
        test = np.flatnonzero(images.is_test)
        rest = shared = np.flatnonzero(~images.is_test)
    else:
        rng = np.random.default_rng(_TEST_SEED)
        test = _draw(labels, everything, everything, settings.test_share, rng)
        rest, shared = np.setdiff1d(everything, test), everything
    search = _draw(labels, rest, shared, settings.search_share, np.random.default_rng([seed, 1]))
    splits = Splits(np.setdiff1d(rest, search), search, test)
    _check(labels, classes, splits)
    return splits


def _draw(
    labels: NDArray[np.int64], available: Indices, shared: Indices, share: float, rng: np.random.Generator
) -> Indices:
    """For every class, draw a share of its `shared` images from its available ones."""
    drawn = [
        rng.permutation(available[labels[available] == label])[
            : round(share * np.sum(labels[shared] == label))
        ]
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(drawn))


def _check(labels: NDArray[np.int64], classes: Sequence[str], splits: Splits) -> None:
    for number, name in enumerate(classes):
        for title, indices in zip(Splits._fields, splits, strict=True):
            if not np.any(labels[indices] == number):
                raise UsageError(
                    f"class {name!r}: none of its {np.sum(labels == number)} images is left for the {title} "
                    "split; add images, leave the class out, or change data.search_share or data.test_share"
                )
