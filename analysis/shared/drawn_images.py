"""Small photo-like images that are drawn, not taken: one of four shapes on a coloured background."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SHAPES = ("circle", "cross", "square", "triangle")
_SIDE, _SCALE = 32, 4  # pixels; images are drawn larger and scaled down


def write(folder: Path, images: int, seed: int) -> None:
    """Write FOLDER/SHAPE/NUMBER.png, with as many images of each shape."""
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True, exist_ok=True)
    for number in range(images):
        shape = SHAPES[number % len(SHAPES)]
        image = _draw(shape, np.random.default_rng([seed, number]))
        image.save(folder / shape / f"{number:04}.png")


def _draw(shape: str, rng: np.random.Generator) -> Image.Image:
    """A shape of random place, size, angle and colour on a colour gradient."""
    side = _SIDE * _SCALE
    noise = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
    background = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
    size = int(side * rng.uniform(0.3, 0.55))
    stencil = Image.new("L", (size, size), 0)
    _fill(ImageDraw.Draw(stencil), shape, size)
    stencil = stencil.rotate(rng.uniform(0, 360), expand=True)
    colour = tuple(int(value) for value in rng.integers(0, 256, 3))
    top, left = (int(rng.uniform(0, max(side - length, 1))) for length in stencil.size)
    background.paste(Image.new("RGB", stencil.size, colour), (top, left), stencil)
    small = background.filter(ImageFilter.GaussianBlur(1)).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grain = rng.normal(0, 12, (_SIDE, _SIDE, 3))
    return Image.fromarray(np.clip(np.asarray(small) + grain, 0, 255).astype(np.uint8))


def _fill(draw: ImageDraw.ImageDraw, shape: str, size: int) -> None:
    end, third = size - 1, size // 3
    if shape == "circle":
        draw.ellipse((0, 0, end, end), fill=255)
    elif shape == "square":
        draw.rectangle((0, 0, end, end), fill=255)
    elif shape == "triangle":
        draw.polygon([(size // 2, 0), (0, end), (end, end)], fill=255)
    else:
        draw.rectangle((third, 0, end - third, end), fill=255)
        draw.rectangle((0, third, end, end - third), fill=255)
