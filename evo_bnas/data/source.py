"""Where images come from: raw pixels and labels by name, without torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from evo_bnas.errors import UsageError, suggestion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Raw(NamedTuple):
    """All images of a data set as they were published."""

    pixels: "NDArray[np.uint8]"  # images, channels, height, width
    labels: "NDArray[np.int64]"


@dataclass(frozen=True, slots=True)
class Source:
    """What is known about a data set before its images are read."""

    image: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]
    read: Callable[[], Raw]
    white: int = 255  # the largest value that a pixel can have


def _digits() -> Raw:
    from sklearn.datasets import load_digits  # half a second

    bunch = load_digits()
    return Raw(bunch.images[:, None].astype("uint8"), bunch.target.astype("int64"))


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        # 1,797 handwritten digits of 8 x 8 pixels in 17 grey levels (Alpaydin & Kaynak, UCI, 1998).
        "digits": Source((1, 8, 8), tuple("0123456789"), _digits, white=16),
    }
)


def source(name: str) -> Source:
    """The data set with this name; raises UsageError where there is none."""
    if name not in SOURCES:
        raise UsageError(f"unknown data set {name!r}; {suggestion(name, SOURCES)}")
    return SOURCES[name]


def describe(name: str) -> tuple[tuple[int, int, int], int]:
    """Image shape and number of classes, as `Space.fit` takes them; raises UsageError as `source`."""
    found = source(name)
    return found.image, len(found.classes)
