"""Stages of trainings in tests."""

from dataclasses import fields, replace
from typing import Any

from evo_bnas.train.settings import TrainingSettings
from evo_bnas.train.stage import TrainingStage

_OWN = {field.name for field in fields(TrainingStage)} - {"settings"}


def stage(epochs: int, *, seed: int = 0, **changes: Any) -> TrainingStage:
    """A stage of this length, with other fields of `TrainingStage` and of its settings."""
    return changed(TrainingStage("supernet", TrainingSettings(epochs=1), seed), epochs=epochs, **changes)


def changed(known: TrainingStage, **changes: Any) -> TrainingStage:
    """The stage with other fields, its own or of its settings; `epochs` holds for both kinds of weights."""
    own = {name: value for name, value in changes.items() if name in _OWN}
    inner = {name: value for name, value in changes.items() if name not in _OWN}
    if "epochs" in inner:
        inner["real_epochs"] = inner["epochs"]
    settings = TrainingSettings(**(known.settings.model_dump() | inner))
    return replace(known, settings=settings, **own)
