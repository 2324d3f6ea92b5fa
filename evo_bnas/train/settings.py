"""The `supernet` and `retrain` sections of a recipe."""

from math import ceil
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from evo_bnas.errors import suggestion
from evo_bnas.files.yaml_file import Settings
from evo_bnas.quantity import Amount, Count, NotNegative, Positive, Real, Share

_COUNT: TypeAdapter[int] = TypeAdapter(Count)

MIN_CONFIRMED = 3  # networks of a rung; fewer say nothing about the others

# With 32 steps an epoch, 3,000 steps take each image about 94 times, however few there are. Batch norm needs
# several images in a batch.
_STEPS_OF_A_SMALL_SET, _SMALLEST_BATCH = 32, 16

_TEACHERS = ("none", "in-place")  # besides files


def _teacher(name: str) -> str:
    if name not in _TEACHERS and Path(name).suffix != ".safetensors":
        choices = [*_TEACHERS, "the .safetensors file of a network"]
        raise ValueError(f"unknown teacher {name!r}; {suggestion(name, choices)}")
    return name


def _rising(epochs: tuple[int, ...]) -> tuple[int, ...]:
    if list(epochs) != sorted(set(epochs)):
        raise ValueError(f"{list(epochs)} must rise: every rung trains fewer networks for longer")
    return epochs


def _networks(number: object) -> object:
    """A number of networks, or `front`; checked here, so that a wrong value is reported once."""
    if number == "front":
        return number
    try:
        return _COUNT.validate_python(number)
    except ValidationError:
        raise ValueError(f"{number!r} is neither a number of networks, 1 or more, nor front") from None


class AugmentationSettings(Settings):
    """Augmentation of training images: pad-and-crop, flip, cutout (DeVries & Taylor, 2017)."""

    crop: Amount = 0  # pixels of padding before a random crop of the original size
    flip: bool = False  # half of the images, left to right
    cutout: Amount = 0  # side of the erased square in pixels; 0: no cutout


NO_AUGMENTATION = AugmentationSettings()


class TrainingSettings(Settings):
    """What a supernet and a single network have in common in their training."""

    epochs: Count
    min_steps: Amount = 0  # few images: a stage is given more epochs until it has this many steps
    real_epochs: Amount = 0  # a first stage with real weights
    batch: Count = 128  # at most; fewer images are divided into more and smaller batches
    lr: Positive = 2.5e-3  # peak learning rate; it falls as a cosine
    warm_up: Amount = 0  # epochs at the start of a stage in which the learning rate rises linearly from 0
    weight_decay: NotNegative = 5e-6  # L2, on latent binary weights only
    weight_decay_until: Share = 0.75  # share of a stage after which it is 0
    label_smoothing: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    max_grad_norm: Positive | None = None  # gradients are scaled down to this norm

    def steps_per_epoch(self, images: int) -> int:
        """Batches in an epoch that takes every image once; their sizes differ by at most one."""
        batch = min(self.batch, max(images // _STEPS_OF_A_SMALL_SET, _SMALLEST_BATCH))
        return ceil(images / batch)

    def epochs_in(self, images: int, *, real: bool = False) -> int:
        """Epochs of the stage with binary weights, or of the one with real weights."""
        epochs = self.real_epochs if real else self.epochs
        return max(epochs, ceil(self.min_steps / self.steps_per_epoch(images))) if epochs else 0

    def warm_up_share(self, *, real: bool = False) -> float:
        """The share of a stage in which the learning rate rises."""
        return self.warm_up / (self.real_epochs if real else self.epochs)

    def steps(self, images: int) -> int:
        """Steps of both stages together."""
        epochs = self.epochs_in(images, real=True) + self.epochs_in(images)
        return epochs * self.steps_per_epoch(images)

    @model_validator(mode="after")
    def _warm_up_is_shorter_than_its_stage(self) -> Self:
        for stage in ("real_epochs", "epochs"):
            epochs = getattr(self, stage)
            if 0 < epochs <= self.warm_up:
                raise ValueError(f"warm_up of {self.warm_up} epochs must be shorter than {stage} ({epochs})")
        return self


class SupernetSettings(TrainingSettings):
    """How the shared weights are trained."""

    epochs: Count = 60
    min_steps: Amount = 3_000
    sampler: Literal["uniform", "fair", "sandwich", "cost_uniform"] = "uniform"
    teacher: Annotated[str, AfterValidator(_teacher)] = "none"  # or in-place, or the file of a network
    sign_gradient: Literal["ste", "approx", "tanh"] = "approx"  # of the sign of the activations
    sign_clip: Positive = 1.0  # of ste: the gradient is 0 where |x| is larger
    augment: AugmentationSettings = NO_AUGMENTATION
    # Processes that train together, each on its part of every batch; more than one needs Ray. Batch norm uses
    # the statistics of a part, so the number of ranks changes the weights.
    ranks: Count = 1

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if self.sign_clip != 1 and self.sign_gradient != "ste":
            raise ValueError(
                f"sign_clip: works with sign_gradient ste only, not {self.sign_gradient}; leave it out"
            )
        if self.ranks > self.batch:
            raise ValueError(f"ranks: {self.ranks} ranks cannot share a batch of {self.batch}; use fewer")
        if self.label_smoothing and self.teacher_file is not None:
            raise ValueError(f"label_smoothing: has no effect with the teacher {self.teacher}; leave it out")
        return self

    @property
    def teacher_file(self) -> Path | None:
        """The file of a trained teacher; None if the teacher is not a file."""
        return None if self.teacher in _TEACHERS else Path(self.teacher)


class ConfirmSettings(Settings):
    """How the best networks of a search are looked at again, by short trainings from inherited weights."""

    networks: Amount = 12  # in the first rung; 0: no confirming
    epochs: Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(_rising)] = (1,)  # of each rung
    min_steps: Amount = 100  # few images: a rung is given more epochs until a training has this many steps

    @model_validator(mode="after")
    def _rungs_are_large_enough(self) -> Self:
        if self.networks and (last := self.rungs[-1])[0] < MIN_CONFIRMED:
            raise ValueError(
                f"networks: {self.networks} leave {last[0]} for {last[1]} epochs, and a rung needs "
                f"{MIN_CONFIRMED} or more; raise networks, lower the last of epochs, or set networks to 0"
            )
        return self

    @property
    def rungs(self) -> list[tuple[int, int]]:
        """Networks and epochs of each rung: every rung trains about as many epochs in all."""
        if not self.networks:
            return []
        return [(max(self.networks * self.epochs[0] // epochs, 1), epochs) for epochs in self.epochs]


class RetrainSettings(TrainingSettings):
    """How the picked networks are trained."""

    source: Literal["supernet", "scratch"] = Field(default="supernet", alias="from")
    epochs: Count = 20
    min_steps: Amount = 600
    # How many: the pick, and picks for smaller budgets down to the cheapest; front: all on the front.
    networks: Annotated[Literal["front"] | int, BeforeValidator(_networks)] = 1
    seeds: Count = 1  # trainings of each network; the weights of the first are kept
