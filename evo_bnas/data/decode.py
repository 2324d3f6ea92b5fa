"""One encoded image as pixels: training, `check` and `predict` see a file in the same way.

An image is turned upright as its EXIF data say. What is transparent lies on white. Of several frames the
first counts. Grey images of more than 8 bits are refused: what they are to be scaled by is not in the file;
of coloured ones Pillow takes the upper 8.
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

# Only these are opened: to others, such as EPS, Pillow may need programs that run what is in the file.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MODES = {1: "L", 3: "RGB"}  # Pillow's, by channels
CHANNELS = tuple(_MODES)
_GREY = ("1", "L", "LA", "La")  # all other modes are colour, a palette too
_DEEP = ("I", "F")  # how modes of more than 8 bits a channel begin

# What Pillow lets out where a file is damaged; it promises no more than OSError.
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

# By EXIF orientation. Pillow's exif_transpose also writes all other EXIF data anew, and fails at odd ones.
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

# Without a handler, what Pillow logs about a damaged file would be printed.
logging.getLogger("PIL").addHandler(logging.NullHandler())

Shape = tuple[int, int, int]  # channels, height, width


class ImageError(Exception):
    """Why a file is no image that can be taken."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without what Pillow warns of while it decodes: a file is an image, or raises ImageError.

    To be entered around threads, not in them: Python filters warnings for all threads together.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def upright(file: Path | bytes) -> Image.Image:
    """The image in a file, or in its bytes, in its own colours: L or RGB. Raises ImageError."""
    stream = BytesIO(file) if isinstance(file, bytes) else file
    try:
        with Image.open(stream, formats=_FORMATS) as opened:
            if opened.mode.startswith(_DEEP):
                raise ImageError("has more than 8 bits a channel; convert it to 8 bits")
            opened.load()  # PNG and TIFF files may say later than their size how they are turned
            turn = _TURNS.get(opened.getexif().get(ExifTags.Base.Orientation, 1))
            turned = opened if turn is None else opened.transpose(turn)
            mode = "L" if opened.mode in _GREY else "RGB"
            if not turned.has_transparency_data:
                return turned.convert(mode)
            white = Image.new("RGBA", turned.size, "white")
            return Image.alpha_composite(white, turned.convert("RGBA")).convert(mode)
    except _DAMAGED as failure:
        reason = getattr(failure, "strerror", None) or "Pillow cannot read it"
        raise ImageError(f"is no image: {reason}") from None


def shape(picture: Image.Image) -> Shape:
    """Channels, height and width of what `upright` gives."""
    return len(picture.getbands()), picture.height, picture.width


def fit(picture: Image.Image, image: Shape) -> NDArray[np.uint8]:
    """Pixels (channels, height, width), 0 to 255, of an image as grey or coloured and as large as asked.

    It is scaled until it covers the size, and its middle is cut out; an image of that size stays as it is.
    """
    channels, height, width = image
    converted = picture.convert(_MODES[channels])
    fitted = ImageOps.fit(converted, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(height, width, channels).transpose(2, 0, 1)
