"""One writer per folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from evo_bnas.errors import UsageError

LOCK = ".lock"  # the name of the lock file in a folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only writer of a folder.

    Raises UsageError where another process writes it or where it cannot be written.
    """
    # The kernel releases this lock when its process ends, however it ends.
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
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
