"""A lock for each folder, so that it has one writer at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from evo_bnas.errors import UsageError

LOCK = ".lock"  # the name of the lock file in a folder


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, which must exist.

    While another process holds it, `wait` for it or raise UsageError. Raises UsageError if the folder cannot
    be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        # The kernel releases this lock when its process ends, however it ends.
        lock.acquire(blocking=wait)
    except Timeout:
        raise UsageError(
            f"{folder}: another process is writing here; wait for it, or choose another folder with --out"
        ) from None
    except OSError as failure:
        raise UsageError(f"{folder}: cannot be written: {failure.strerror}") from None
    try:
        yield
    finally:
        lock.release()
