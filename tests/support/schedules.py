"""Schedules of trainings in tests."""

from dataclasses import fields
from typing import Any

from evo_bnas.train.loop import Schedule
from evo_bnas.train.settings import NO_AUGMENTATION, AugmentationSettings, TrainingSettings


def schedule(
    epochs: int, *, seed: int = 0, augment: AugmentationSettings = NO_AUGMENTATION, **training: Any
) -> Schedule:
    """One stage with these settings of `TrainingSettings`."""
    return Schedule(TrainingSettings(epochs=epochs, **training), epochs, seed, augment)


def changed(known: Schedule, **changes: Any) -> Schedule:
    """The same with other fields, of the schedule or of its settings."""
    own = {field.name for field in fields(Schedule)} - {"settings"}
    inner = {name: value for name, value in changes.items() if name == "epochs" or name not in own}
    outer = {name: value for name, value in changes.items() if name in own}
    settings = TrainingSettings(**(known.settings.model_dump() | inner))
    return Schedule(settings, **({name: getattr(known, name) for name in own} | outer))
