"""A retraining whose worker dies in its second epoch."""

import os
import signal
from contextlib import suppress

from evo_bnas.network.card import Card
from evo_bnas.progress import Progress, Report
from evo_bnas.run.retrain import Retraining
from evo_bnas.space.genes import Architecture
from evo_bnas.train import checkpoint


class DyingRetraining(Retraining):
    """Saves after every step and notes the epochs of each network; the first worker in epoch 2 dies."""

    def train(self, architecture: Architecture) -> Card:
        checkpoint.SECONDS_BETWEEN = 0.0
        return super().train(architecture)

    def reporter(self, name: str) -> Report:
        report = super().reporter(name)
        died = self.run.folder / "died"

        def report_and_die(step: Progress) -> None:
            report(step)
            epoch = self.run.recipe.retrain.epochs * step.done // step.total
            with (self.run.folder / f"{name}.epochs").open("a") as epochs:
                epochs.write(str(epoch))
            if epoch == 2:
                with suppress(FileExistsError):
                    died.touch(exist_ok=False)
                    os.kill(os.getpid(), signal.SIGKILL)

        return report_and_die
