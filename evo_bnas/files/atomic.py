"""Atomic writes: after a kill at any moment, a file has its old or its new content."""

import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

_MAX_NAME = 80  # characters; file systems take 255 bytes, and suffixes and temporary names need some
_DIGEST = 8  # characters


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Replace the file at `path`; the new file is synced to disk before it gets the name.

    `write` creates the file under a temporary name in the same folder. A killed process may leave it there,
    and the next one overwrites it, so there must be one writer at a time. Raises OSError as the file system
    does; the old file is unchanged then.
    """
    temporary = path.with_name(f".{path.name}.new")
    write(temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file at `path` by these bytes."""
    replace(path, lambda temporary: temporary.write_bytes(data))


def file_name(text: str) -> str:
    """A unique name for a text that every file system accepts: the text itself, or shortened with a hash."""
    safe = re.sub(r"[^A-Za-z0-9._+=-]", "_", text)
    if safe == text and len(text) <= _MAX_NAME:
        return text
    digest = sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{safe[: _MAX_NAME - _DIGEST - 1]}-{digest}"


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk, after one was created, renamed or removed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
