"""Data sets as tensors, in train, search and test splits.

Pixels stay bytes, which need a quarter of the memory of float32; batches are normalised when they are used.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evo_bnas.data.normalisation import mean_and_std
from evo_bnas.data.prepare import prepare
from evo_bnas.data.settings import DataSettings
from evo_bnas.network.card import DataCard
from evo_bnas.progress import Report, silent


@dataclass(frozen=True, eq=False, slots=True)
class Images:
    """The images and labels of a split."""

    pixels: Tensor  # images, channels, height, width: uint8
    y: Tensor  # class numbers: int64
    mean: Tensor  # of the pixels of the train split, per channel: float64
    std: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, chosen: slice | Tensor) -> Tensor:
        """Chosen images, normalised: float32."""
        # In double precision, so that all devices compute the same numbers.
        scaled = (self.pixels[chosen].double() - self.mean[:, None, None]) / self.std[:, None, None]
        return scaled.float()

    def __reduce__(self) -> tuple[Callable[..., "Images"], tuple[NDArray[Any], ...]]:
        """Arrays on the CPU: pickle (protocol 5) need not copy them, so processes can share them."""
        tensors = self.pixels, self.y, self.mean, self.std
        return _over_arrays, tuple(tensor.cpu().numpy() for tensor in tensors)

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def to(self, device: torch.device) -> "Images":
        """The same images on a device."""
        return Images(*(tensor.to(device) for tensor in (self.pixels, self.y, self.mean, self.std)))

    def first(self, number: int) -> "Images":
        """The first images, at most this many."""
        return replace(self, pixels=self.pixels[:number], y=self.y[:number])

    def join(self, other: "Images") -> "Images":
        """These images, followed by the others."""
        pixels, y = torch.cat([self.pixels, other.pixels]), torch.cat([self.y, other.y])
        return replace(self, pixels=pixels, y=y)


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """A data set in three splits."""

    name: str
    image: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]
    train: Images
    search: Images
    test: Images
    white: int  # the largest possible value of a pixel
    skipped: tuple[str, ...]  # unreadable images, each with the reason
    fingerprint: str  # hash of pixels, labels and splits

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of the pixels of the train split, per channel."""
        return tuple(self.train.mean.tolist())

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of the pixels of the train split, per channel."""
        return tuple(self.train.std.tolist())

    def to(self, device: torch.device) -> "Dataset":
        """The same splits on a device."""
        train, search, test = (images.to(device) for images in (self.train, self.search, self.test))
        return replace(self, train=train, search=search, test=test)

    def card(self) -> DataCard:
        """What is needed to use a network that was trained on this data set."""
        return DataCard(
            name=self.name,
            image=self.image,
            classes=self.classes,
            mean=self.mean,
            std=self.std,
            white=self.white,
            skipped=len(self.skipped),
            fingerprint=self.fingerprint,
            images={"train": len(self.train), "search": len(self.search), "test": len(self.test)},
        )


def load(settings: DataSettings, seed: int, *, cache: Path | None = None, report: Report = silent) -> Dataset:
    """A data set as tensors; `cache` and exceptions are those of `evo_bnas.data.prepare.prepare`."""
    source, decoded, splits, fingerprint = prepare(settings, seed, cache, report)
    mean, std = mean_and_std(decoded.pixels, splits.train)

    def images(chosen: NDArray[np.int64]) -> Images:
        arrays = decoded.pixels[chosen], decoded.labels[chosen], mean, std
        return Images(*map(torch.from_numpy, arrays))

    return Dataset(
        settings.name,
        source.image,
        source.classes,
        images(splits.train),
        images(splits.search),
        images(splits.test),
        source.white,
        decoded.skipped,
        fingerprint,
    )


def shared_tensor(array: NDArray[Any]) -> Tensor:
    """A tensor over an array that other processes read too; do not write to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def _over_arrays(*arrays: NDArray[Any]) -> Images:
    return Images(*map(shared_tensor, arrays))
