"""The `evaluate` section of a recipe."""

from typing import Literal

from evo_bnas.files.yaml_file import Settings
from evo_bnas.quantity import Count


class EvaluationSettings(Settings):
    """How networks are scored."""

    # packed: 1-bit execution on the CPU. auto: torch if the run uses a GPU, otherwise packed.
    backend: Literal["auto", "packed", "torch"] = "auto"
    batch: Count = 128  # images per forward pass; it affects rounding, so it is part of the protocol
