"""Classifies image files with a packed network."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data import decode
from evo_bnas.errors import UsageError
from evo_bnas.packed.file import PackedNetwork

_WHITE = 255


class Prediction(NamedTuple):
    """The most probable class of one image."""

    file: str
    label: str
    probability: float

    def row(self) -> dict[str, str | float]:
        """The prediction as JSON values."""
        return {"file": self.file, "class": self.label, "probability": self.probability}


def predict(network: PackedNetwork, paths: Sequence[Path]) -> list[Prediction]:
    """Classify image files; raises UsageError with the first one that cannot be read."""
    pixels = np.stack([read_image(path, network) for path in paths])
    probabilities = network.probabilities(pixels)
    return [
        Prediction(str(path), network.classes[row.argmax()], float(row.max()))
        for path, row in zip(paths, probabilities, strict=True)
    ]


@decode.ignore_warnings()
def read_image(path: Path, network: PackedNetwork) -> NDArray[np.uint8]:
    """Raw pixels (channels, height, width) of an image file, whole numbers from 0 to the network's white.

    The file is decoded like the images that the network was trained on: scaled, cropped, grey or coloured.
    Raises UsageError if Pillow cannot read it with 8 bits per channel.
    """
    channels, _, _ = network.image
    if channels not in decode.CHANNELS:
        raise UsageError(f"the network takes {channels} channels; image files give 1 or 3")
    try:
        pixels = decode.fit(decode.open_image(path), network.image)
    except decode.ImageError as failure:
        raise UsageError(f"{path}: {failure}") from None
    levels: NDArray[np.uint8] = np.rint(pixels * (network.header.white / _WHITE)).astype(np.uint8)
    return levels
