"""Files that are either the old or the new ones, whenever the process is killed."""

import os
from collections.abc import Callable
from pathlib import Path


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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, after one was created, renamed or removed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
