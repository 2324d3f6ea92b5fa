"""One stage of a training, and what changes during it."""

import math
from dataclasses import dataclass, replace

from evo_bnas.binary.execute import BINARY, Mode
from evo_bnas.train.precision import Precision
from evo_bnas.train.settings import NO_AUGMENTATION, AugmentationSettings, TrainingSettings

# Steepness of tanh at the first and at the last step (Qin et al., IR-Net, 2020): at first it passes nearly
# all of the gradient, at the end almost none except near 0.
_FIRST_T, _LAST_T = 1e-3, 10.0


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """A stage of a training, with binary or with real weights; its mode says which.

    Methods that take `images` need the number of training images; those that take `step` and `steps` need
    the step, counted from 0, and the number of steps in the stage.
    """

    name: str  # in progress reports
    settings: TrainingSettings
    seed: int
    augment: AugmentationSettings = NO_AUGMENTATION
    mode: Mode = BINARY
    precision: Precision = "float32"

    def epochs(self, images: int) -> int:
        """Epochs of this stage."""
        return self.settings.epochs_in(images, real=self.mode.weights == "real")

    def steps_per_epoch(self, images: int) -> int:
        """Batches in an epoch."""
        return self.settings.steps_per_epoch(images)

    def steps(self, images: int) -> int:
        """Steps in the whole stage."""
        return self.epochs(images) * self.steps_per_epoch(images)

    def lr_at(self, step: int, steps: int) -> float:
        """Learning rate of a step: a linear warm-up, then a cosine that starts at the peak."""
        warm_up = round(steps * self.settings.warm_up_share(real=self.mode.weights == "real"))
        if step < warm_up:
            return self.settings.lr * (step + 1) / (warm_up + 1)
        return self.settings.lr * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))

    def weight_decay_at(self, step: int, steps: int) -> float:
        """Weight decay of a step.

        Decay keeps latent weights small so that their signs can still flip; without it, at the end, the
        signs settle (Liu et al., AdamBNN, 2021).
        """
        settings = self.settings
        return settings.weight_decay if step < settings.weight_decay_until * steps else 0.0

    def mode_at(self, step: int, steps: int) -> Mode:
        """Mode of a step: the steepness of tanh grows exponentially."""
        return replace(self.mode, t=_FIRST_T * (_LAST_T / _FIRST_T) ** (step / steps))
