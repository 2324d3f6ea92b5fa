"""Evaluators for workers in tests: known scores without torch, and faults on demand."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evo_bnas.archive.score import Score
from evo_bnas.space.genes import Architecture


@dataclass(frozen=True)
class FaultyTable:
    """Looks up known objectives; the faults of some keys come first.

    `wait`: wait until the file `go` is in the folder; `hang`: wait forever; `die`: kill the process; `raise`:
    raise. Every evaluation that starts leaves a file with its process id in its name.
    """

    objectives: Mapping[str, Mapping[str, float]]
    folder: Path
    faults: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self._score(architecture.key) for architecture in architectures]

    def processes(self, key: str) -> list[int]:
        """The ids of the processes that have started to evaluate a key."""
        return [int(path.suffix[1:]) for path in self.folder.glob(f"{key}.*")]

    def _score(self, key: str) -> Score:
        (self.folder / f"{key}.{os.getpid()}").touch()
        fault = self.faults.get(key)
        if fault == "raise":
            raise RuntimeError("out of memory")
        if fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        while fault == "hang" or (fault == "wait" and not (self.folder / "go").exists()):
            time.sleep(0.01)
        return Score("ok", self.objectives[key], protocol="table")
