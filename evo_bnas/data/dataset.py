"""Data sets as tensors: train, search and test parts, with a fingerprint.

Pixels stay bytes, a quarter of what they need as numbers; each batch is normalised when it is asked for.
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

from evo_bnas.data.moments import moments
from evo_bnas.data.prepare import prepare
from evo_bnas.data.settings import DataSettings
from evo_bnas.network.card import DataCard
from evo_bnas.progress import Report, silent


@dataclass(frozen=True, eq=False, slots=True)
class Images:
    """Part of a data set."""

    pixels: Tensor  # images, channels, height, width: uint8
    y: Tensor  # class numbers: int64
    mean: Tensor  # of the train part's pixels, per channel: float64
    std: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, chosen: slice | Tensor) -> Tensor:
        """Some images, normalised: float32."""
        # In double precision: the same numbers on every device.
        scaled = (self.pixels[chosen].double() - self.mean[:, None, None]) / self.std[:, None, None]
        return scaled.float()

    def __reduce__(self) -> tuple[Callable[..., "Images"], tuple[NDArray[Any], ...]]:
        """Arrays, on the CPU: pickle can leave them where they are, for many processes to read."""
        tensors = self.pixels, self.y, self.mean, self.std
        return _arrived, tuple(tensor.cpu().numpy() for tensor in tensors)

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def to(self, device: torch.device) -> "Images":
        """The same images on a device."""
        return Images(*(tensor.to(device) for tensor in (self.pixels, self.y, self.mean, self.std)))

    def join(self, other: "Images") -> "Images":
        """These images and then the others."""
        pixels, y = torch.cat([self.pixels, other.pixels]), torch.cat([self.y, other.y])
        return replace(self, pixels=pixels, y=y)


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """A data set in three parts."""

    name: str
    image: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]
    train: Images
    search: Images
    test: Images
    white: int  # the largest value that a pixel can have
    skipped: tuple[str, ...]  # images that could not be read
    fingerprint: str  # of raw pixels, labels and parts

    @property
    def mean(self) -> tuple[float, ...]:
        """That of the train part's raw pixels, per channel."""
        return tuple(self.train.mean.tolist())

    @property
    def std(self) -> tuple[float, ...]:
        """The deviation of the train part's raw pixels, per channel."""
        return tuple(self.train.std.tolist())

    def to(self, device: torch.device) -> "Dataset":
        """The same parts on a device."""
        train, search, test = (part.to(device) for part in (self.train, self.search, self.test))
        return replace(self, train=train, search=search, test=test)

    def card(self) -> DataCard:
        """What is needed to use a network trained on it."""
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


def load(settings: DataSettings, seed: int, *, kept: Path | None = None, report: Report = silent) -> Dataset:
    """A data set as tensors; `kept` and what is raised are those of `prepare`."""
    found, raw, parts, fingerprint = prepare(settings, seed, kept, report)
    mean, std = moments(raw.pixels, parts.train)

    def images(part: NDArray[np.int64]) -> Images:
        tensors = raw.pixels[part], raw.labels[part], mean, std
        return Images(*map(torch.from_numpy, tensors))

    return Dataset(
        settings.name,
        found.image,
        found.classes,
        images(parts.train),
        images(parts.search),
        images(parts.test),
        found.white,
        raw.skipped,
        fingerprint,
    )


def over_shared(array: NDArray[Any]) -> Tensor:
    """A tensor over an array that other processes read too; nothing writes to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def _arrived(*arrays: NDArray[Any]) -> Images:
    return Images(*map(over_shared, arrays))
