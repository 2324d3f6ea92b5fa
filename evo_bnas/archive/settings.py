"""The `pick` section of a recipe."""

from typing import Annotated

from pydantic import Field

from evo_bnas.archive.limits import Limits
from evo_bnas.files.yaml_file import Settings
from evo_bnas.quantity import Fraction


class PickSettings(Settings):
    """How a network is picked among the scored ones."""

    limits: Limits = Field(default_factory=dict)
    within: Annotated[Fraction, Field(ge=0, lt=1)] | None = None  # cheapest with this much more error
    knee: bool = False
