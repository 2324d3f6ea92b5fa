"""Images in idx files, the format of MNIST (LeCun, Cortes & Burges, 1998), with or without gzip.

A file consists of two zero bytes, the type (8: unsigned bytes), the number of dimensions, the dimensions
(four bytes each, big-endian), and the values. Greyscale images have three dimensions: images, height, width.
Colour images have a fourth: the channels of a pixel.
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

from evo_bnas.data.paths import data_path, files_hash
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import DecodedImages, Source
from evo_bnas.errors import UsageError
from evo_bnas.progress import Progress, Report

_NAME = re.compile(r"(train|t10k|test)-(images|labels)[-.]idx\d-ubyte(\.gz)?")
_UNSIGNED_BYTES = 8  # the type
_DIMENSIONS = {"images": (3, 4), "labels": (1,)}
_CHANNELS = (1, 3)
_CHUNK = 1 << 20  # bytes read at once

Dimensions = tuple[int, ...]


class _Part(NamedTuple):
    """Files of images and of their labels."""

    images: Path
    labels: Path


def has_files(folder: Path) -> bool:
    """Whether a folder contains idx files."""
    return any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def open_source(settings: DataSettings) -> Source:
    """The images in train-images-idx3-ubyte and similar files; t10k or test files are the test split.

    Raises UsageError if files are missing or do not match each other.
    """
    root = data_path(settings)
    parts = _parts(root, settings)
    shapes = [_dimensions(part.images) for part in parts]
    labels = [_values(part.labels) for part in parts]
    _check(parts, shapes, labels)
    distinct, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    if not len(numbers):
        raise UsageError(f"data.path {settings.path}: the idx files contain no images")
    height, width, *channels = shapes[0][1:]
    image = (channels[0] if channels else 1, height, width)
    if image[0] not in _CHANNELS:
        raise UsageError(f"{parts[0].images}: images have {image[0]} channels; only 1 or 3 are supported")

    def read(report: Report) -> DecodedImages:
        # Files are read before the array is allocated: a damaged header may claim any number of images.
        contents = [_values(part.images).reshape(-1, height, width, image[0]) for part in parts]
        pixels = np.empty((len(numbers), *image), np.uint8)
        done = 0
        for values in contents:
            pixels[done : done + len(values)] = values.transpose(0, 3, 1, 2)
            done += len(values)
            report(Progress("images", done, len(numbers), "images"))
        is_test = np.arange(len(numbers)) >= shapes[0][0] if len(parts) > 1 else None
        return DecodedImages(pixels, numbers.astype(np.int64), is_test)

    paths = [path for part in parts for path in part]
    classes = tuple(map(str, distinct.tolist()))
    file_hash = files_hash(root, paths, settings)
    return Source(image, classes, read, files_hash=file_hash, files=len(paths))


def _check(parts: list[_Part], shapes: list[Dimensions], labels: list[NDArray[np.uint8]]) -> None:
    """Raise UsageError if labels do not match their images, or test images the training images."""
    for part, shape, values in zip(parts, shapes, labels, strict=True):
        if len(values) != shape[0]:
            raise UsageError(f"{part.labels}: has {len(values):,} labels for {shape[0]:,} images")
        if shape[1:] != shapes[0][1:]:
            raise UsageError(
                f"{part.images}: contains images of {_by(shape[1:])}, "
                f"but {parts[0].images.name} images of {_by(shapes[0][1:])}"
            )


def _parts(root: Path, settings: DataSettings) -> list[_Part]:
    """The training files and, if there are any, the test files."""
    if not root.is_dir():
        raise UsageError(
            f"data.path {settings.path}: is a file; give the folder with train-images-idx3-ubyte"
        )
    files: dict[tuple[str, str], Path] = {}
    for path in sorted(root.iterdir(), reverse=True):  # unpacked files come after packed ones, and win
        if match := _NAME.fullmatch(path.name):
            files["train" if match[1] == "train" else "test", match[2]] = path
    for part, kind in (("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels")):
        needed = part == "train" or any(name == "test" for name, _ in files)
        if needed and (part, kind) not in files:
            name = f"{'train' if part == 'train' else 't10k'}-{kind}-idx{_DIMENSIONS[kind][0]}-ubyte"
            raise UsageError(f"data.path {settings.path}: contains no {name} or {name}.gz")
    return [
        _Part(files[part, "images"], files[part, "labels"])
        for part in ("train", "test")
        if (part, "images") in files
    ]


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _dimensions(path: Path) -> Dimensions:
    """The dimensions in the header of a file."""
    try:
        with _open(path) as file:
            return _header(file, path)
    except (OSError, EOFError, zlib.error) as failure:
        raise _broken(path, str(failure)) from None


def _values(path: Path) -> NDArray[np.uint8]:
    """All values of a file, in one dimension."""
    try:
        with _open(path) as file:
            dimensions = _header(file, path)
            expected = math.prod(dimensions)
            content = _content(file, expected + 1)
    except (OSError, EOFError, zlib.error) as failure:
        raise _broken(path, str(failure)) from None
    if len(content) != expected:
        actual = "more" if len(content) > expected else f"only {len(content):,}"
        raise _broken(path, f"its header claims {_by(dimensions)} bytes, but there are {actual}")
    return np.frombuffer(content, np.uint8)


def _content(file: BinaryIO, limit: int) -> bytearray:
    """The rest of a file, up to a limit; memory is allocated for actual bytes, not for the limit."""
    content = bytearray()
    while chunk := file.read(min(_CHUNK, limit - len(content))):
        content += chunk
    return content


def _header(file: BinaryIO, path: Path) -> Dimensions:
    kind = "labels" if "labels" in path.name else "images"
    start = file.read(4)
    if len(start) < 4 or start[:3] != bytes((0, 0, _UNSIGNED_BYTES)) or start[3] not in _DIMENSIONS[kind]:
        raise _broken(path, f"it starts with {start.hex(' ')}, unlike a file of {kind}")
    sizes = file.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise _broken(path, "its header is incomplete")
    dimensions = struct.unpack(f">{start[3]}I", sizes)
    if 0 in dimensions[1:]:
        raise _broken(path, f"its header claims images of {_by(dimensions[1:])}")
    return dimensions


def _broken(path: Path, reason: str) -> UsageError:
    return UsageError(f"{path}: is not a complete idx file: {reason}; download it again")


def _by(dimensions: Dimensions) -> str:
    return "×".join(map(str, dimensions))
