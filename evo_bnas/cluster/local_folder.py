"""The folder of a cluster on this machine: removed with the cluster or, after a kill, by the next one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

_PREFIX, _NEW_PREFIX = "evo-bnas-ray-", "evo-bnas-new-"  # short, since paths of sockets are limited
_LOCK = ".lock"


@contextmanager
def local_folder() -> Iterator[Path]:
    """A new temporary folder; folders that killed processes left behind are removed first.

    The user of a folder holds a lock in it, which the kernel releases however the process ends. A process id
    would not do: containers that share the folder have different ones.
    """
    _remove_abandoned()
    # The folder gets the name that other processes look for only after it is locked.
    new = Path(tempfile.mkdtemp(prefix=_NEW_PREFIX))
    with FileLock(new / _LOCK, blocking=False):
        folder = new.rename(new.with_name(new.name.replace(_NEW_PREFIX, _PREFIX, 1)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # It may be in use (Timeout is an OSError), or belong to another user.
        with suppress(OSError), FileLock(folder / _LOCK, blocking=False):
            shutil.rmtree(folder, ignore_errors=True)
