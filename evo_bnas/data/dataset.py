"""Data sets as tensors: train, search and test parts, normalised, with a fingerprint.

Every class gives a fifth of its images to the test part, which no search ever sees, a fifth to the search
part, which scores candidates, and the rest to training. The test part is the same for every seed, so that
test accuracies of different seeds compare; search and train parts are drawn by the seed.
"""

from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evo_bnas.sources import source

_SHARE = 0.2  # of each class, for test and for search
_TEST_SEED = 0


@dataclass(frozen=True, eq=False, slots=True)
class Images:
    """Part of a data set."""

    x: Tensor  # images, channels, height, width: float32, normalised
    y: Tensor  # class numbers: int64

    def __len__(self) -> int:
        return len(self.y)

    def to(self, device: torch.device) -> "Images":
        """The same images on a device."""
        return Images(self.x.to(device), self.y.to(device))

    def join(self, other: "Images") -> "Images":
        """These images and then the others."""
        return Images(torch.cat([self.x, other.x]), torch.cat([self.y, other.y]))


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """A data set in three parts; `mean` and `std` are those of the train part's raw pixels per channel."""

    name: str
    image: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]
    train: Images
    search: Images
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str  # of raw pixels, labels and parts

    def to(self, device: torch.device) -> "Dataset":
        """The same parts on a device."""
        train, search, test = (part.to(device) for part in (self.train, self.search, self.test))
        return replace(self, train=train, search=search, test=test)

    def about(self) -> dict[str, object]:
        """What one has to know to use a network trained on it, as JSON values."""
        return {
            "name": self.name,
            "image": list(self.image),
            "classes": list(self.classes),
            "mean": list(self.mean),
            "std": list(self.std),
            "fingerprint": self.fingerprint,
            "images": {"train": len(self.train), "search": len(self.search), "test": len(self.test)},
        }


def load(name: str, seed: int) -> Dataset:
    """Read, split and normalise a data set; raises UsageError where no data set has this name."""
    found = source(name)
    pixels, labels = found.read()
    train, search, test = split(labels, seed)
    mean = pixels[train].mean(axis=(0, 2, 3))
    std = pixels[train].std(axis=(0, 2, 3))

    def images(part: NDArray[np.int64]) -> Images:
        x = (pixels[part] - mean[:, None, None]) / std[:, None, None]
        return Images(torch.from_numpy(x.astype(np.float32)), torch.from_numpy(labels[part]))

    return Dataset(
        name,
        found.image,
        found.classes,
        images(train),
        images(search),
        images(test),
        tuple(mean.tolist()),
        tuple(std.tolist()),
        _fingerprint(pixels, labels, train, search, test),
    )


def split(labels: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], ...]:
    """Indices of the train, search and test parts, each sorted."""
    everything = np.arange(len(labels))
    test = _stratified(labels, everything, np.random.default_rng(_TEST_SEED))
    rest = np.setdiff1d(everything, test)
    search = _stratified(labels, rest, np.random.default_rng([seed, 1]))
    return np.setdiff1d(rest, search), search, test


def _stratified(
    labels: NDArray[np.int64], among: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """A share of every class, drawn from some of the images."""
    taken = [
        rng.permutation(among[labels[among] == label])[: round(_SHARE * np.sum(labels == label))]
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(taken))


def _fingerprint(pixels: NDArray[np.uint8], *parts: NDArray[np.int64]) -> str:
    digest = sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part.astype("<i8").tobytes())
    return digest.hexdigest()[:16]
