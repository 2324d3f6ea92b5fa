"""Decoding of one image, in the same way for training, `check` and `predict`.

An image is rotated as its EXIF data say, and transparent pixels are put on white. Only the first of several
frames is used. Greyscale images with more than 8 bits are refused, since the file does not say how to scale
them; of colour images with more than 8 bits, Pillow takes the upper 8.
"""

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from PIL.Image import Transpose

# Only these: for others, such as EPS, Pillow may run programs that execute what is in the file.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MODES = {1: "L", 3: "RGB"}  # of Pillow, by number of channels
CHANNELS = tuple(_MODES)
_GREY = ("1", "L", "LA", "La")  # all other modes are colour, including palettes
_DEEP = ("I", "F")  # prefixes of the modes with more than 8 bits per channel

# What Pillow raises for damaged files; it promises no more than OSError.
_DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    OverflowError,
    SyntaxError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)

# By EXIF orientation. Pillow's exif_transpose also rewrites all other EXIF data, and fails if these are odd.
_ROTATIONS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

# Without a handler, Pillow's log messages about damaged files would be printed.
logging.getLogger("PIL").addHandler(logging.NullHandler())

Shape = tuple[int, int, int]  # channels, height, width


class ImageError(Exception):
    """Why a file cannot be used as an image."""


@contextmanager
def ignore_warnings() -> Iterator[None]:
    """Ignore Pillow's warnings about damaged files: a file can be decoded, or it raises ImageError.

    Enter it outside of threads, since Python filters the warnings of all threads together.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def open_image(file: Path | bytes) -> Image.Image:
    """The image in a file, or in the bytes of one, as L or RGB; raises ImageError."""
    stream = BytesIO(file) if isinstance(file, bytes) else file
    try:
        with Image.open(stream, formats=_FORMATS) as image:
            if image.mode.startswith(_DEEP):
                raise ImageError("has more than 8 bits per channel; convert it to 8 bits")
            image.load()  # in PNG and TIFF files, the orientation may come after the pixels
            rotation = _ROTATIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
            rotated = image if rotation is None else image.transpose(rotation)
            mode = "L" if image.mode in _GREY else "RGB"
            if not rotated.has_transparency_data:
                return rotated.convert(mode)
            white = Image.new("RGBA", rotated.size, "white")
            return Image.alpha_composite(white, rotated.convert("RGBA")).convert(mode)
    except _DAMAGED as failure:
        reason = getattr(failure, "strerror", None) or "Pillow cannot read it"
        raise ImageError(f"is not a readable image: {reason}") from None


def shape(image: Image.Image) -> Shape:
    """Channels, height and width of an image from `open_image`."""
    return len(image.getbands()), image.height, image.width


def fit(image: Image.Image, target: Shape) -> NDArray[np.uint8]:
    """The pixels (channels, height, width), 0 to 255, of an image that is converted to the target shape.

    It is scaled until it covers the target size, and cropped to its centre; if it has that size it stays as
    it is.
    """
    channels, height, width = target
    converted = image.convert(_MODES[channels])
    fitted = ImageOps.fit(converted, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(height, width, channels).transpose(2, 0, 1)
