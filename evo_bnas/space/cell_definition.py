"""A cell space as its YAML file says it: what may stand there, and what fits together."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evo_bnas.files.yaml_file import Settings
from evo_bnas.quantity import parse
from evo_bnas.space.chain_definition import BaseStem, Options
from evo_bnas.space.constraints import Choice, Constraints, Rules, check_concerns

_MOST_PARAMETER_FREE = 0.5

_Number = Annotated[int, Field(ge=1, strict=True)]


class Stem(BaseStem):
    """The stem before the cells; its first kernel is 3 x 3."""

    channels: _Number


class CellDefinition(Settings):
    """A cell space as its YAML file says it.

    `channels` are those of an operation in the first cells; each of the two reduction cells, which stand
    at a third and at two thirds of the depth, doubles them.
    """

    family: Literal["cell"]
    block: Literal["cell", "bats"] = "cell"
    image: tuple[_Number, _Number, _Number]
    classes: Annotated[int, Field(ge=2, strict=True)]
    pad: Literal[0, 1] = 0
    stem: Stem
    channels: _Number
    cells: Annotated[int, Field(ge=3, strict=True)]
    groups: Options = (1,)
    constraints: Constraints

    @model_validator(mode="after")
    def _fits_together(self) -> "CellDefinition":
        self.stem.check_widths((self.stem.channels,))
        check_concerns(self.constraints, ("operation", "groups"))
        most = 4 * self.channels
        if self.stem.channels > most:
            raise ValueError(
                f"stem.channels: a parameter-free shortcut cannot narrow {self.stem.channels} channels to "
                f"the {most} that a cell puts out; write {most} or less"
            )
        odd = next((groups for groups in self.groups if self.channels % groups), None)
        if odd is not None:
            raise ValueError(f"groups: {odd} groups do not divide {self.channels} channels")
        share = self.constraints.get("max_parameter_free", 1)
        if parse(share) > _MOST_PARAMETER_FREE:
            raise ValueError(
                "constraints: cells of mostly pools and skips learn first and win a search too early; "
                "write max_parameter_free: 1/2, or less"
            )
        rules = Rules(self.constraints)
        remain = rules.allowed(rules.start, Choice("groups", "groups", self.groups, reads=(self.channels,)))
        if remain != self.groups:
            raise ValueError(
                f"groups: of {list(self.groups)} the constraints allow {list(remain)}; write these"
            )
        return self

    def reduces(self, cell: int) -> bool:
        """Whether the cell, counted from 0, is a reduction cell."""
        return cell in (self.cells // 3, 2 * self.cells // 3)
