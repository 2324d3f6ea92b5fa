"""The cache of decoded images: a folder of arrays, so that a run decodes its images once."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data.source import DecodedImages
from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import replace, write_bytes
from evo_bnas.files.lock import locked

_VERSION = 2  # increment when readers decode differently
_PIXELS, _LABELS, _IS_TEST, _DESCRIPTION = "pixels.npy", "labels.npy", "is_test.npy", "images.json"


class CachedImages(NamedTuple):
    """Decoded images, and the hash of their pixels."""

    images: DecodedImages
    digest: str


@dataclass(frozen=True, slots=True)
class _Description:
    """What the arrays in the folder are."""

    version: int
    files_hash: str
    digest: str
    skipped: list[str]
    published_test: bool


def cached(folder: Path, files_hash: str, decode: Callable[[], DecodedImages]) -> CachedImages:
    """The images in a folder, decoded and stored first unless those of the same files are there.

    The pixels are memory-mapped, not read. One process decodes while others wait. Raises UsageError if the
    folder cannot be written, and what `decode` raises; nothing is stored then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise UsageError(f"{folder}: cannot store decoded images: {failure.strerror}") from None
    with locked(folder, wait=True):
        if found := _load(folder, files_hash):
            return found
        _store(decode(), files_hash, folder)
        stored = _load(folder, files_hash)
        assert stored is not None, f"{folder} has just been filled"
        return stored


def skipped_images(folder: Path) -> Sequence[str]:
    """The unreadable images that were left out of a cache, each with the reason."""
    description = _describe(folder)
    return description.skipped if description else ()


def pixel_digest(pixels: NDArray[np.uint8]) -> str:
    """A hash of pixels and their shape."""
    digest = sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _load(folder: Path, files_hash: str) -> CachedImages | None:
    """The images in a folder; None if they are incomplete or those of other files."""
    description = _describe(folder)
    if description is None or (description.version, description.files_hash) != (_VERSION, files_hash):
        return None
    try:
        is_test = np.load(folder / _IS_TEST) if description.published_test else None
        # Copy on write, since torch accepts only writable arrays; nothing writes.
        pixels = np.load(folder / _PIXELS, mmap_mode="c")
        labels = np.load(folder / _LABELS)
    except (OSError, ValueError):  # an array was deleted or damaged
        return None
    images = DecodedImages(pixels, labels, is_test, tuple(description.skipped))
    return CachedImages(images, description.digest)


def _store(images: DecodedImages, files_hash: str, folder: Path) -> None:
    """Replace the images in a folder."""
    description = _Description(
        _VERSION,
        files_hash,
        pixel_digest(images.pixels),
        list(images.skipped),
        images.is_test is not None,
    )
    # Arrays are valid only with their description, so it is removed first and written last.
    (folder / _DESCRIPTION).unlink(missing_ok=True)
    for name, array in ((_PIXELS, images.pixels), (_LABELS, images.labels), (_IS_TEST, images.is_test)):
        if array is not None:
            replace(folder / name, partial(_save, array))
    write_bytes(folder / _DESCRIPTION, json.dumps(asdict(description)).encode())


def _save(array: NDArray[np.generic], path: Path) -> None:
    with path.open("wb") as file:  # given a path, np.save would append .npy to it
        np.save(file, array, allow_pickle=False)


def _describe(folder: Path) -> _Description | None:
    """The description in a folder, if there is a complete one."""
    try:
        return _Description(**json.loads((folder / _DESCRIPTION).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
