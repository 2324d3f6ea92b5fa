"""Decoded images in a folder, so that a run decodes them once."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from evo_bnas.data.source import Raw
from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import replace, write_bytes

_VERSION = 1  # raised when readers decode differently
_PIXELS, _LABELS, _TEST, _ABOUT = "pixels.npy", "labels.npy", "test.npy", "images.json"
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class _About:
    """What the arrays in the folder are."""

    version: int
    state: str  # of the files that were decoded
    digest: str  # of the pixels
    skipped: list[str]
    published_test: bool


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one who reads or fills the folder, which is made; raises UsageError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK):
            yield
    except OSError as failure:
        raise UsageError(f"{folder}: images cannot be kept there: {failure.strerror}") from None


def load(folder: Path, state: str) -> tuple[Raw, str] | None:
    """The images in a folder and the digest of their pixels, which are mapped from their file, not read.

    None where there are none, not all of what they need, or those of files in another state.
    """
    about = _about(folder / _ABOUT)
    if about is None or (about.version, about.state) != (_VERSION, state):
        return None
    try:
        test = np.load(folder / _TEST) if about.published_test else None
        # Copied on write, so that torch may take it; nobody writes.
        pixels = np.load(folder / _PIXELS, mmap_mode="c")
        return Raw(pixels, np.load(folder / _LABELS), test, tuple(about.skipped)), about.digest
    except (OSError, ValueError):  # somebody has made room
        return None


def keep(raw: Raw, state: str, folder: Path) -> None:
    """Put images into a folder, in place of what is there."""
    about = _About(_VERSION, state, digest(raw.pixels), list(raw.skipped), raw.test is not None)
    # Without its description an array counts for nothing, so that goes first and comes back last.
    (folder / _ABOUT).unlink(missing_ok=True)
    for name, array in ((_PIXELS, raw.pixels), (_LABELS, raw.labels), (_TEST, raw.test)):
        if array is not None:
            replace(folder / name, partial(_save, array))
    write_bytes(folder / _ABOUT, json.dumps(asdict(about)).encode())


def skipped(folder: Path) -> Sequence[str]:
    """The images that could not be read, each with its reason, where a folder keeps others."""
    about = _about(folder / _ABOUT)
    return about.skipped if about else ()


def digest(pixels: NDArray[np.uint8]) -> str:
    """A hash of pixels and their shape."""
    found = sha256(repr(pixels.shape).encode())
    found.update(np.ascontiguousarray(pixels).data)
    return found.hexdigest()


def _save(array: NDArray[np.generic], path: Path) -> None:
    with path.open("wb") as file:  # np.save would put .npy behind a name of its own
        np.save(file, array, allow_pickle=False)


def _about(path: Path) -> _About | None:
    """The description of what is kept, if there is a whole one."""
    try:
        return _About(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
