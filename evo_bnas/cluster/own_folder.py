"""The folder of a cluster on this machine: gone with it, or, after a kill, when the next one begins."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

_PREFIX, _FRESH = "evo-bnas-ray-", "evo-bnas-new-"  # short, since paths of sockets are
_LOCK = ".lock"


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder below that for temporary files; what killed processes left there is removed first.

    Who uses a folder holds a lock in it, which the kernel frees however a process ends: unlike the number of
    a process it means the same in every container that shares the files.
    """
    _sweep()
    # It gets the name that others look for when it is locked.
    fresh = Path(tempfile.mkdtemp(prefix=_FRESH))
    with FileLock(fresh / _LOCK, blocking=False):
        folder = fresh.rename(fresh.with_name(fresh.name.replace(_FRESH, _PREFIX, 1)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # It may be in use, which is a Timeout, or another user's.
        with suppress(OSError), FileLock(left / _LOCK, blocking=False):
            shutil.rmtree(left, ignore_errors=True)
