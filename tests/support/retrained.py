"""A run of the digits with one retrained network, trained from scratch for a few seconds."""

from pathlib import Path

from evo_bnas.run.folder import Run
from evo_bnas.run.retrain import retrain
from evo_bnas.run.start import start
from tests.support.short_runs import SHORT

KEY = "c8-c16d1.k3g2-c32d2.k5g4.k3g1-c64d1.k3g2"
OVERRIDES = (*SHORT, "retrain.from=scratch", "retrain.epochs=6")


def retrained_run(folder: Path) -> Run:
    run = start("digits", folder, OVERRIDES)
    retrain(run, keys=[KEY])
    return run
