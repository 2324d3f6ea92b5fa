"""The YAML file of a cell space: its fields, and checks that they fit together."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evo_bnas.files.yaml_file import Settings
from evo_bnas.quantity import parse
from evo_bnas.space.chain_definition import BaseStem, Options
from evo_bnas.space.constraints import Choice, Constraints, Rules, check_concerns

_MAX_PARAMETER_FREE = 0.5

_Number = Annotated[int, Field(ge=1, strict=True)]


class CellStem(BaseStem):
    """The stem before the cells; its first kernel is 3 x 3."""

    channels: _Number


class CellDefinition(Settings):
    """The YAML file of a cell space.

    `channels` is the number of channels of an operation in the first cells. Each of the two reduction cells,
    at a third and at two thirds of the depth, doubles it.
    """

    family: Literal["cell"]
    block: Literal["cell", "bats"] = "cell"
    image: tuple[_Number, _Number, _Number]
    classes: Annotated[int, Field(ge=2, strict=True)]
    pad: Literal[0, 1] = 0
    stem: CellStem
    channels: _Number
    cells: Annotated[int, Field(ge=3, strict=True)]
    groups: Options = (1,)
    constraints: Constraints

    @model_validator(mode="after")
    def _fits_together(self) -> "CellDefinition":
        self.stem.check_widths((self.stem.channels,))
        check_concerns(self.constraints, ("operation", "groups"))
        maximum = 4 * self.channels
        if self.stem.channels > maximum:
            raise ValueError(
                f"stem.channels: {self.stem.channels} is more than the {maximum} output channels of a cell, "
                f"but a parameter-free shortcut cannot narrow; write {maximum} or less"
            )
        odd = next((groups for groups in self.groups if self.channels % groups), None)
        if odd is not None:
            raise ValueError(f"groups: {odd} groups do not divide {self.channels} channels")
        share = self.constraints.get("max_parameter_free", 1)
        if parse(share) > _MAX_PARAMETER_FREE:
            raise ValueError(
                f"constraints: max_parameter_free is {share}, so that cells of mostly pools and skips, which "
                "learn first, would win a search too early; write 1/2 or less"
            )
        rules = Rules(self.constraints)
        allowed = rules.allowed(rules.start, Choice("groups", "groups", self.groups, reads=(self.channels,)))
        if allowed != self.groups:
            raise ValueError(
                f"groups: the constraints allow only {list(allowed)} of {list(self.groups)}; write these"
            )
        return self

    def reduces(self, cell: int) -> bool:
        """Whether the cell, counted from 0, is a reduction cell."""
        return cell in (self.cells // 3, 2 * self.cells // 3)
