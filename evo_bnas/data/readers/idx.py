"""Images in idx files, the format of MNIST (LeCun, Cortes & Burges 1998), each packed with gzip or not.

A file is two zero bytes, the type (8: bytes), the number of dimensions, each of these as four bytes with the
highest first, and the values. Grey images have three dimensions: images, height, width. Colour ones have a
fourth: the channels of a pixel.
"""

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data import files
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Raw, Source
from evo_bnas.errors import UsageError
from evo_bnas.progress import Progress, Report

_NAME = re.compile(r"(train|t10k|test)-(images|labels)[-.]idx\d-ubyte(\.gz)?")
_BYTES = 8  # the type
_DIMENSIONS = {"images": (3, 4), "labels": (1,)}
_CHANNELS = (1, 3)
_PIECE = 1 << 20  # bytes read at once

Shape = tuple[int, ...]


class _Part(NamedTuple):
    """Files of images and of their labels."""

    images: Path
    labels: Path


def holds(folder: Path) -> bool:
    """Whether there are idx files in a folder."""
    return any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def open_source(settings: DataSettings) -> Source:
    """The images of train-images-idx3-ubyte and the like, split where there are no t10k or test files.

    Raises UsageError where files are missing or do not belong together.
    """
    root = files.root(settings)
    parts = _parts(root, settings)
    shapes = [_shape(part.images) for part in parts]
    labels = [_values(part.labels) for part in parts]
    for part, shape, values in zip(parts, shapes, labels, strict=True):
        if len(values) != shape[0]:
            raise UsageError(f"{part.labels}: has {len(values):,} labels for {shape[0]:,} images")
        if shape[1:] != shapes[0][1:]:
            raise UsageError(
                f"{part.images}: images are {_by(shape[1:])}, "
                f"those in {parts[0].images.name} are {_by(shapes[0][1:])}"
            )
    distinct, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    if not len(numbers):
        raise UsageError(f"data.path {settings.path}: the idx files hold no images")
    height, width, *channels = shapes[0][1:]
    image = (channels[0] if channels else 1, height, width)
    if image[0] not in _CHANNELS:
        raise UsageError(f"{parts[0].images}: images have {image[0]} channels; images here have 1 or 3")

    def read(report: Report) -> Raw:
        # All are read before there is room for the pixels: a head may say more than any memory holds.
        contents = [_values(part.images).reshape(-1, height, width, image[0]) for part in parts]
        pixels = np.empty((len(numbers), *image), np.uint8)
        begin = 0
        for values in contents:
            pixels[begin : begin + len(values)] = values.transpose(0, 3, 1, 2)
            begin += len(values)
            report(Progress("images", begin, len(numbers), "images"))
        test = np.arange(len(numbers)) >= shapes[0][0] if len(parts) > 1 else None
        return Raw(pixels, numbers.astype(np.int64), test)

    paths = [path for part in parts for path in part]
    classes = tuple(map(str, distinct.tolist()))
    return Source(image, classes, read, state=files.state(root, paths, settings), files=len(paths))


def _parts(root: Path, settings: DataSettings) -> list[_Part]:
    """The training part and, where there is one, the test part."""
    if not root.is_dir():
        raise UsageError(f"data.path {settings.path}: is a file; give the folder of train-images-idx3-ubyte")
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(root.iterdir(), reverse=True):  # what is unpacked comes after what is not, and wins
        if match := _NAME.fullmatch(path.name):
            found["train" if match[1] == "train" else "test", match[2]] = path
    for part, kind in (("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels")):
        wanted = part == "train" or any(name == "test" for name, _ in found)
        if wanted and (part, kind) not in found:
            name = f"{'train' if part == 'train' else 't10k'}-{kind}-idx{_DIMENSIONS[kind][0]}-ubyte"
            raise UsageError(f"data.path {settings.path}: holds no {name}, nor one with .gz")
    return [
        _Part(found[part, "images"], found[part, "labels"])
        for part in ("train", "test")
        if (part, "images") in found
    ]


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _shape(path: Path) -> Shape:
    """The dimensions in the head of a file."""
    try:
        with _open(path) as file:
            return _head(file, path)
    except (OSError, EOFError, zlib.error) as failure:
        raise _broken(path, str(failure)) from None


def _values(path: Path) -> NDArray[np.uint8]:
    """All values of a file, in one dimension."""
    try:
        with _open(path) as file:
            shape = _head(file, path)
            expected = math.prod(shape)
            content = _content(file, expected + 1)
    except (OSError, EOFError, zlib.error) as failure:
        raise _broken(path, str(failure)) from None
    if len(content) != expected:
        less = "more" if len(content) > expected else f"only {len(content):,}"
        raise _broken(path, f"its head says {_by(shape)} bytes, there are {less}")
    return np.frombuffer(content, np.uint8)


def _content(file: BinaryIO, most: int) -> bytearray:
    """The rest of a file, at most so many bytes; memory is taken for what there is, not for what is asked."""
    content = bytearray()
    while piece := file.read(min(_PIECE, most - len(content))):
        content += piece
    return content


def _head(file: BinaryIO, path: Path) -> Shape:
    kind = "labels" if "labels" in path.name else "images"
    start = file.read(4)
    if len(start) < 4 or start[:3] != bytes((0, 0, _BYTES)) or start[3] not in _DIMENSIONS[kind]:
        raise _broken(path, f"it begins with {start.hex(' ')}, which no file of {kind} does")
    sizes = file.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise _broken(path, "it ends in its head")
    shape = struct.unpack(f">{start[3]}I", sizes)
    if 0 in shape[1:]:
        raise _broken(path, f"its head says that images are {_by(shape[1:])}")
    return shape


def _broken(path: Path, reason: str) -> UsageError:
    return UsageError(f"{path}: is no whole idx file: {reason}; fetch it again")


def _by(shape: Shape) -> str:
    return "×".join(map(str, shape))
