"""Image files as a packed network takes them, and what it says of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from evo_bnas.errors import UsageError
from evo_bnas.packed.file import PackedNetwork

_MODES = {1: "L", 3: "RGB"}  # Pillow's, by the channels of the network
_DEEP = ("I", "F")  # how modes of more than 8 bits a channel begin
_WHITE = 255


class Prediction(NamedTuple):
    """The most probable class of one image."""

    file: str
    label: str
    probability: float

    def row(self) -> dict[str, str | float]:
        """As scripts read it."""
        return {"file": self.file, "class": self.label, "probability": self.probability}


def predict(network: PackedNetwork, paths: Sequence[Path]) -> list[Prediction]:
    """Classify image files; raises UsageError that names the first that is no image."""
    pixels = np.stack([read(path, network) for path in paths])
    probabilities = network.probabilities(pixels)
    return [
        Prediction(str(path), network.classes[row.argmax()], float(row.max()))
        for path, row in zip(paths, probabilities, strict=True)
    ]


def read(path: Path, network: PackedNetwork) -> NDArray[np.uint8]:
    """Raw pixels (channels, height, width) of an image file, whole numbers from 0 to the network's white.

    The image is scaled until it covers the network's, and its middle is cut out; it becomes grey or coloured
    as the network's images are. Raises UsageError where Pillow cannot read it as 8 bits a channel.
    """
    channels, height, width = network.image
    if channels not in _MODES:
        raise UsageError(f"the network takes {channels} channels; image files give 1 or 3")
    try:
        with Image.open(path) as file:
            if file.mode.startswith(_DEEP):
                raise UsageError(f"{path}: has more than 8 bits a channel; convert it to 8 bits")
            upright = ImageOps.exif_transpose(file).convert(_MODES[channels])
            fitted = ImageOps.fit(upright, (width, height), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as failure:
        reason = getattr(failure, "strerror", None) or "Pillow cannot read it"
        raise UsageError(f"{path}: is no image: {reason}") from None
    pixels = np.asarray(fitted, np.float64).reshape(height, width, channels).transpose(2, 0, 1)
    return np.rint(pixels * (network.header.white / _WHITE)).astype(np.uint8)
