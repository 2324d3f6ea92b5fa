"""What workers on a cluster evaluate with in tests: known scores without torch, and whatever goes wrong."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evo_bnas.archive.score import Score
from evo_bnas.space.genes import Architecture


@dataclass(frozen=True)
class Told:
    """Known objectives, and what happens to some keys on the way.

    `wait` evaluates when the file `go` is in the folder, `hang` never; `die` ends the process, `raise`
    raises. Every evaluation that begins leaves a file with its process in its name.
    """

    objectives: Mapping[str, Mapping[str, float]]
    folder: Path
    orders: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self._score(architecture.key) for architecture in architectures]

    def _score(self, key: str) -> Score:
        (self.folder / f"{key}.{os.getpid()}").touch()
        order = self.orders.get(key)
        if order == "raise":
            raise RuntimeError("out of memory")
        if order == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        while order == "hang" or (order == "wait" and not (self.folder / "go").exists()):
            time.sleep(0.01)
        return Score("ok", self.objectives[key], protocol="told")

    def processes(self, key: str) -> list[int]:
        """Who has begun to evaluate it."""
        return [int(path.suffix[1:]) for path in self.folder.glob(f"{key}.*")]
