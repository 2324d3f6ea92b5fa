"""Stages of trainings in tests."""

from dataclasses import fields, replace
from typing import Any

from evo_bnas.train.settings import TrainingSettings
from evo_bnas.train.stage import Stage

_OWN = {field.name for field in fields(Stage)} - {"settings"}


def stage(epochs: int, *, seed: int = 0, **changes: Any) -> Stage:
    """A stage of this length, with other fields of `Stage` and of its settings."""
    return changed(Stage("supernet", TrainingSettings(epochs=1), seed), epochs=epochs, **changes)


def changed(known: Stage, **changes: Any) -> Stage:
    """The stage with other fields, its own or of its settings; `epochs` holds for both kinds of weights."""
    own = {name: value for name, value in changes.items() if name in _OWN}
    inner = {name: value for name, value in changes.items() if name not in _OWN}
    if "epochs" in inner:
        inner["real_epochs"] = inner["epochs"]
    settings = TrainingSettings(**(known.settings.model_dump() | inner))
    return replace(known, settings=settings, **own)
