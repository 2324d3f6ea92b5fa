"""The contact sheet of a data set: a row of images for each class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from evo_bnas.data.source import DecodedImages, Source
from evo_bnas.files.atomic import replace

_COLUMNS = 12
MAX_CLASSES = 100  # many viewers do not open very tall images
_SMALL = 64  # pixels: smaller images are enlarged up to this side
_LARGE = 96  # pixels: larger images are reduced to this side
_GAP = 4  # pixels
_TEXT = 14  # font size
_MAX_NAME = 24  # characters of a class name


def draw(images: DecodedImages, source: Source, seed: int, path: Path) -> None:
    """Write a PNG of some images of each class, sampled by `seed`; raises OSError if it cannot be written."""
    font = ImageFont.load_default(_TEXT)
    names = [name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…" for name in source.classes][
        :MAX_CLASSES
    ]
    height, width = _side(source.image[1:])
    left = 2 * _GAP + max(round(font.getlength(name)) for name in names)
    column_width, row_height = width + _GAP, height + _GAP
    sheet = Image.new("RGB", (left + _COLUMNS * column_width, _GAP + len(names) * row_height), "white")
    pen = ImageDraw.Draw(sheet)
    rng = np.random.default_rng(seed)
    for row, name in enumerate(names):
        top = _GAP + row * row_height
        pen.text((_GAP, top + height // 2), name, "black", font, anchor="lm")
        chosen = rng.permutation(np.flatnonzero(images.labels == row))[:_COLUMNS]
        for column, number in enumerate(chosen):
            picture = _picture(images.pixels[number], source.white)
            resampling = Image.Resampling.NEAREST if width >= picture.width else Image.Resampling.LANCZOS
            sheet.paste(picture.resize((width, height), resampling), (left + column * column_width, top))
    replace(path, lambda temporary: sheet.save(temporary, format="PNG"))


def _side(size: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of an image on the sheet; small images are enlarged by a whole factor."""
    height, width = size
    if max(size) <= _SMALL:
        factor = _SMALL // max(size)
        return factor * height, factor * width
    scale = min(1, _LARGE / max(size))
    return max(1, round(scale * height)), max(1, round(scale * width))


def _picture(pixels: NDArray[np.uint8], white: int) -> Image.Image:
    levels = np.rint(pixels * (255 / white)).astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(levels.squeeze(2) if levels.shape[2] == 1 else levels).convert("RGB")
