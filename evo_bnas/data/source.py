"""Data sources: what is known about a data set before it is decoded, and how to decode it; without torch."""

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


class DecodedImages(NamedTuple):
    """All images of a data set, decoded."""

    pixels: "NDArray[np.uint8]"  # images, channels, height, width
    labels: "NDArray[np.int64]"
    is_test: "NDArray[np.bool_] | None" = None  # whether an image is in the published test split, if any
    skipped: tuple[str, ...] = ()  # unreadable images, each with the reason
    name: Callable[[int], str] = "image {}".format  # the name of an image in messages, by its number


@dataclass(frozen=True, slots=True)
class Source:
    """What is known about a data set before its images are decoded.

    `read` decodes all images and reports progress; it raises UsageError if they are unusable.
    """

    image: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]
    read: Callable[[Report], DecodedImages]
    white: int = 255  # the largest possible value of a pixel
    # Changes when the files do. None: decoded images are not cached, since reading them again is cheaper.
    files_hash: str | None = None
    files: int = 0  # how many
    # Counts the shapes in the files, before images are scaled; given if they may differ.
    count_shapes: "Callable[[Report], Counter[tuple[int, int, int]]] | None" = None


@lru_cache(maxsize=8)  # a command opens a source several times, and listing a large folder takes a second
def open_source(settings: "DataSettings") -> Source:
    """The source that a recipe names; raises UsageError if its files are missing or of another kind."""
    reader = import_module(f"evo_bnas.data.readers.{settings.name}")
    source: Source = reader.open_source(settings)
    if len(source.classes) < 2:
        raise UsageError(
            f"data.path {settings.path}: contains only the class {source.classes[0]!r}; two are needed"
        )
    return source


def describe(settings: "DataSettings") -> tuple[tuple[int, int, int], int]:
    """Image shape and number of classes, as arguments of `Space.fit`; raises UsageError as `open_source`."""
    source = open_source(settings)
    return source.image, len(source.classes)
