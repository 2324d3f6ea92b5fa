"""A long training in its own process, to be interrupted: python -m tests.support.train_driver CHECKPOINT."""

import sys
from pathlib import Path

import torch

from evo_bnas.progress import Progress
from evo_bnas.train.checkpoint import Checkpoint
from tests.support.stages import changed
from tests.support.training import STAGE, train_tiny


def main() -> None:
    torch.set_num_threads(1)

    def report(progress: Progress) -> None:
        print(progress.done, flush=True)

    train_tiny(Checkpoint(Path(sys.argv[1])), report, stage=changed(STAGE, epochs=10_000))


if __name__ == "__main__":
    main()
