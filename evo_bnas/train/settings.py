"""The `supernet` and `retrain` sections of a recipe."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from evo_bnas.errors import suggestion
from evo_bnas.files.yaml_file import Settings
from evo_bnas.quantity import Amount, Count, NotNegative, Positive, Real, Share

_TEACHERS = ("none", "in-place")  # or a file


def _teacher(name: str) -> str:
    if name not in _TEACHERS and Path(name).suffix != ".safetensors":
        way_out = suggestion(name, [*_TEACHERS, "the .safetensors file of a network"])
        raise ValueError(f"unknown teacher {name!r}; {way_out}")
    return name


class AugmentationSettings(Settings):
    """How training images are varied: pad-and-crop, flip, cutout (DeVries & Taylor, 2017)."""

    crop: Amount = 0  # pixels of padding before a random crop of the original size
    flip: bool = False  # left to right
    cutout: Amount = 0  # side of the erased square in pixels; 0: none


NO_AUGMENTATION = AugmentationSettings()


class TrainingSettings(Settings):
    """What the training of shared weights and that of a single network have in common."""

    epochs: Count
    real_epochs: Amount = 0  # a first stage with real weights
    batch: Count = 128
    lr: Positive = 2.5e-3  # peak learning rate; it falls as a cosine
    warm_up: Amount = 0  # epochs at the start of a stage in which the learning rate rises from 0
    weight_decay: NotNegative = 5e-6  # on latent binary weights only
    weight_decay_until: Share = 0.75  # share of a stage after which it is 0
    label_smoothing: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    max_grad_norm: Positive | None = None

    @model_validator(mode="after")
    def _warm_up_ends(self) -> Self:
        for stage in ("real_epochs", "epochs"):
            epochs = getattr(self, stage)
            if 0 < epochs <= self.warm_up:
                raise ValueError(f"warm_up of {self.warm_up} epochs must be shorter than {stage} ({epochs})")
        return self


class SupernetSettings(TrainingSettings):
    """How the shared weights are trained."""

    epochs: Count = 60
    sampler: Literal["uniform", "fair", "sandwich", "cost_uniform"] = "uniform"
    teacher: Annotated[str, AfterValidator(_teacher)] = "none"  # or in-place, or the file of a network
    sign_gradient: Literal["ste", "approx", "tanh"] = "approx"  # of the sign of the activations
    sign_clip: Positive = 1.0  # of ste: no gradient where |x| is greater
    augment: AugmentationSettings = NO_AUGMENTATION
    # Processes that train together, each on its part of every batch; more than one needs Ray. Batch norm
    # uses the statistics of a part, so another number of ranks gives other weights.
    ranks: Count = 1

    @model_validator(mode="after")
    def _every_option_has_an_effect(self) -> Self:
        if self.sign_clip != 1 and self.sign_gradient != "ste":
            raise ValueError(
                f"sign_clip belongs to sign_gradient ste, not {self.sign_gradient}; leave it out"
            )
        if self.ranks > self.batch:
            raise ValueError(f"{self.ranks} ranks cannot share a batch of {self.batch}; ask for fewer")
        if self.label_smoothing and self.teacher_file is not None:
            raise ValueError(
                f"label_smoothing: networks taught by {self.teacher} see no labels; leave it out"
            )
        return self

    @property
    def teacher_file(self) -> Path | None:
        """The file of the network that teaches; None without one."""
        return None if self.teacher in _TEACHERS else Path(self.teacher)


class RetrainSettings(TrainingSettings):
    """How the picked networks are trained."""

    source: Literal["supernet", "scratch"] = Field(default="supernet", alias="from")
    epochs: Count = 20
    networks: Count = 1  # the best ones, in the order of the pick
