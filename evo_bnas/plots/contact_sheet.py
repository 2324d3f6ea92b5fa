"""A picture of a data set: a row of images for each class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from evo_bnas.data.source import DecodedImages, Source
from evo_bnas.files.atomic import replace

_COLUMNS = 12
MOST_CLASSES = 100  # viewers do not open pictures of any height
_SMALL = 64  # pixels: the side up to which smaller images are enlarged
_LARGE = 96  # the side to which larger ones are reduced
_GAP = 4
_TEXT = 14
_LONGEST = 24  # letters of a class name


def draw(images: DecodedImages, source: Source, seed: int, path: Path) -> None:
    """Write a PNG of some images of each class, drawn by the seed; raises OSError where it cannot."""
    font = ImageFont.load_default(_TEXT)
    names = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in source.classes][
        :MOST_CLASSES
    ]
    height, width = _side(source.image[1:])
    left = 2 * _GAP + max(round(font.getlength(name)) for name in names)
    across, down = width + _GAP, height + _GAP
    sheet = Image.new("RGB", (left + _COLUMNS * across, _GAP + len(names) * down), "white")
    pen = ImageDraw.Draw(sheet)
    rng = np.random.default_rng(seed)
    for row, name in enumerate(names):
        top = _GAP + row * down
        pen.text((_GAP, top + height // 2), name, "black", font, anchor="lm")
        chosen = rng.permutation(np.flatnonzero(images.labels == row))[:_COLUMNS]
        for column, number in enumerate(chosen):
            picture = _picture(images.pixels[number], source.white)
            enlarged = Image.Resampling.NEAREST if width >= picture.width else Image.Resampling.LANCZOS
            sheet.paste(picture.resize((width, height), enlarged), (left + column * across, top))
    replace(path, lambda temporary: sheet.save(temporary, format="PNG"))


def _side(size: tuple[int, ...]) -> tuple[int, int]:
    """Height and width on the sheet: pixels of small images are whole squares."""
    height, width = size
    if max(size) <= _SMALL:
        times = _SMALL // max(size)
        return times * height, times * width
    scale = min(1, _LARGE / max(size))
    return max(1, round(scale * height)), max(1, round(scale * width))


def _picture(pixels: NDArray[np.uint8], white: int) -> Image.Image:
    levels = np.rint(pixels * (255 / white)).astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(levels.squeeze(2) if levels.shape[2] == 1 else levels).convert("RGB")
