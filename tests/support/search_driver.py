"""A search that kills itself: python -m tests.support.search_driver JOURNAL BATCH [APPEND SHARE].

With the last two it dies by SIGKILL in the given append to the journal, when this share of the bytes is
written. 0 is before proposals or scores reach the file, 1 after that and before anybody got them.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from evo_bnas.archive.journal import Journal
from evo_bnas.search.problem import Problem
from tests.support.synthetic import ELASTIC, OBJECTIVES, run

EVALUATIONS = 44


def drive(path: Path, batch: int) -> None:
    run(path, Problem(ELASTIC, OBJECTIVES), evaluations=EVALUATIONS, batch=batch, fail_one_in=9)


def die_in_append(fatal: int, share: float) -> None:
    append = Journal._append
    appends = 0

    def append_or_die(self: Journal, lines: Sequence[str]) -> None:
        nonlocal appends
        appends += 1
        if appends == fatal:
            text = "".join(lines)
            append(self, [text[: int(share * len(text))]])
            os.kill(os.getpid(), signal.SIGKILL)
        append(self, lines)

    Journal._append = append_or_die  # type: ignore[method-assign]


if __name__ == "__main__":
    if len(sys.argv) > 3:
        die_in_append(int(sys.argv[3]), float(sys.argv[4]))
    drive(Path(sys.argv[1]), int(sys.argv[2]))
