"""A search that kills itself: `python -m tests.support.search_driver JOURNAL BATCH [APPEND SHARE]`.

With the last two it dies by SIGKILL in the given append to the journal, when this share of the bytes is on
disk: 0 is before a row reaches the file, 1 after that and before the rows are used.
"""

import os
import signal
import sys
from pathlib import Path

from evo_bnas.search.problem import Problem
from tests.support.synthetic import ELASTIC, OBJECTIVES, run

EVALUATIONS = 44


def drive(path: Path, batch: int) -> None:
    run(path, Problem(ELASTIC, OBJECTIVES), evaluations=EVALUATIONS, batch=batch, fail_one_in=9)


def die_in_append(path: Path, fatal: int, share: float) -> None:
    """Have the process killed in the given append, which leaves a part of its bytes."""
    fsync = os.fsync
    size = path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0
    appends = 0

    def fsync_or_die(descriptor: int) -> None:
        nonlocal size, appends
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(path.resolve()):
            appends += 1
            written = os.fstat(descriptor).st_size
            if appends == fatal:
                os.ftruncate(descriptor, size + int(share * (written - size)))
                os.kill(os.getpid(), signal.SIGKILL)
            size = written
        fsync(descriptor)

    os.fsync = fsync_or_die  # type: ignore[assignment]


if __name__ == "__main__":
    journal = Path(sys.argv[1])
    if len(sys.argv) > 3:
        die_in_append(journal, int(sys.argv[3]), float(sys.argv[4]))
    drive(journal, int(sys.argv[2]))
