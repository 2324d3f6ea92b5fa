"""What a run's recipe means to the code that trains and scores: device, images, schedules, conditions."""

from hashlib import sha256

import torch
from torch import Tensor

from evo_bnas.binary.execute import Mode
from evo_bnas.binary.weights import Weights
from evo_bnas.data import dataset
from evo_bnas.data.dataset import Dataset
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.evaluators import Conditions
from evo_bnas.progress import Report, silent
from evo_bnas.recipe import Training
from evo_bnas.run import Run
from evo_bnas.train.augment import Augmentation
from evo_bnas.train.loop import Schedule


def device(run: Run) -> torch.device:
    """Where a run computes."""
    return torch.device(run.compute.device)


def images(run: Run, report: Report = silent) -> Dataset:
    """The data set on the run's device, with the threads that the run was begun with.

    Raises UsageError where it is not the one that the run was begun with: other files are divided in another
    way, and an image that has trained must not test.
    """
    torch.set_num_threads(run.compute.threads)
    found = dataset.load(run.recipe.data, run.recipe.seed, kept=run.data, report=report)
    if run.environment.data not in (None, found.fingerprint):
        raise UsageError(
            f"data {run.recipe.data.name}: the images were changed since {run.folder} was begun; restore "
            "them, or begin another run with --out"
        )
    return found.to(device(run))


def stages(run: Run, asked: Training) -> list[tuple[Weights, Schedule]]:
    """Real weights first where the recipe says so, then binary; each stage has the whole schedule."""
    augment = run.recipe.supernet.augment

    def schedule(epochs: int) -> Schedule:
        return Schedule(
            epochs=epochs,
            batch=asked.batch,
            lr=asked.lr,
            warm_up=asked.warm_up,
            decay=asked.decay,
            decay_until=asked.decay_until,
            label_smoothing=asked.label_smoothing,
            clip=asked.clip,
            seed=run.recipe.seed,
            augmentation=Augmentation(augment.crop, augment.flip, augment.cutout),
        )

    named: list[tuple[Weights, int]] = [("real", asked.real_epochs), ("binary", asked.epochs)]
    return [(weights, schedule(epochs)) for weights, epochs in named if epochs > 0]


def mode(run: Run, weights: Weights) -> Mode:
    """How 1-bit layers are executed and differentiated while weights are real or binary."""
    asked = run.recipe.supernet
    return Mode(weights, asked.sign_gradient, clip=asked.sign_clip)


def conditions(run: Run, found: Dataset, calibration: Tensor) -> Conditions:
    """What scores on the search split depend on, calibrated on these images."""
    return Conditions(
        data=found.fingerprint,
        images=len(found.search),
        calibration=sha256(calibration.cpu().numpy().tobytes()).hexdigest()[:16],
        batch=run.recipe.evaluate.batch,
        threads=run.compute.each,
        device=run.compute.device,
    )
