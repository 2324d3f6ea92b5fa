"""Where images come from: what is known before they are decoded, and how to decode them; without torch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from evo_bnas.errors import UsageError
from evo_bnas.progress import Report

if TYPE_CHECKING:
    from collections import Counter

    import numpy as np
    from numpy.typing import NDArray

    from evo_bnas.data.settings import DataSettings


class Raw(NamedTuple):
    """All images of a data set, decoded."""

    pixels: "NDArray[np.uint8]"  # images, channels, height, width
    labels: "NDArray[np.int64]"
    test: "NDArray[np.bool_] | None" = None  # which images are published as the test part
    skipped: tuple[str, ...] = ()  # images that could not be read, each with its reason
    name: Callable[[int], str] = "image {}".format  # what a person calls an image, by its number


@dataclass(frozen=True, slots=True)
class Source:
    """What is known about a data set before its images are decoded.

    `read` reports how many are decoded, and raises UsageError where something is wrong with them.
    """

    image: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]
    read: Callable[[Report], Raw]
    white: int = 255  # the largest value that a pixel can have
    # Of the files: another one where they changed. None: cheaper to read than to keep.
    state: str | None = None
    files: int = 0  # so many were found
    # How many images have which shape before all are made alike, where they need not be alike.
    survey: "Callable[[Report], Counter[tuple[int, int, int]]] | None" = None


@lru_cache(maxsize=8)  # a recipe asks for it several times, and a large folder takes a second to list
def open_source(settings: "DataSettings") -> Source:
    """The data set that a recipe names; raises UsageError where its files are missing or no such data set."""
    found: Source = import_module(f"evo_bnas.data.readers.{settings.name}").open_source(settings)
    if len(found.classes) < 2:
        raise UsageError(
            f"data.path {settings.path}: has only the class {found.classes[0]!r}; give two or more"
        )
    return found


def describe(settings: "DataSettings") -> tuple[tuple[int, int, int], int]:
    """Image shape and number of classes, as `Space.fit` takes them; raises UsageError as `open_source`."""
    found = open_source(settings)
    return found.image, len(found.classes)
