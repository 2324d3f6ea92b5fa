"""Files that are either the old or the new ones, whenever the process is killed."""

import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

_LONGEST_NAME = 80  # file systems take 255 bytes, of which suffixes and temporary names need some
_DIGEST = 8


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Put a new file in the place of `path`, synced to disk before it takes the name.

    `write` makes the file under a temporary name in the same folder; what a killed process leaves there
    is overwritten by the next one, so one writer at a time is assumed. Raises OSError as the file system
    does, and then leaves the old file alone.
    """
    temporary = path.with_name(f".{path.name}.new")
    write(temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """`replace` for content that is at hand."""
    replace(path, lambda temporary: temporary.write_bytes(data))


def file_name(text: str) -> str:
    """A name that every file system takes, another one for another text: as it is, or cut and with a hash."""
    safe = re.sub(r"[^A-Za-z0-9._+=-]", "_", text)
    if safe == text and len(text) <= _LONGEST_NAME:
        return text
    digest = sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{safe[: _LONGEST_NAME - _DIGEST - 1]}-{digest}"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, after one was created, renamed or removed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
