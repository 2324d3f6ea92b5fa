"""A retraining on a worker that dies in its second epoch."""

import os
import signal
from contextlib import suppress

from evo_bnas.network.card import Card
from evo_bnas.progress import Progress, Report
from evo_bnas.run.retrain import Retraining
from evo_bnas.space.genes import Architecture
from evo_bnas.train import checkpoint


class Dying(Retraining):
    """It saves after every step and notes the epochs of each network; the first to end a second one dies."""

    def train(self, architecture: Architecture) -> Card:
        checkpoint.SECONDS_BETWEEN = 0.0
        return super().train(architecture)

    def reporter(self, key: str) -> Report:
        report = super().reporter(key)
        died = self.run.folder / "died"

        def told(step: Progress) -> None:
            report(step)
            with (self.run.folder / f"{key}.epochs").open("a") as epochs:
                epochs.write(str(step.done))
            if step.done == 2:
                with suppress(FileExistsError):
                    died.touch(exist_ok=False)
                    os.kill(os.getpid(), signal.SIGKILL)

        return told
