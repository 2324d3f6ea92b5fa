"""What a recipe says about its images."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evo_bnas.errors import suggestion
from evo_bnas.files.yaml_file import Settings
from evo_bnas.quantity import Real, Whole, parse

# What each source is told besides its name; `path` is needed wherever it is known.
_KEYS = {
    "digits": (),
    "cifar10": ("path",),
    "cifar100": ("path",),
    "parquet": ("path", "image", "label", "size", "channels"),
    "folder": ("path", "size", "channels"),
    "idx": ("path",),
}
NAMES = tuple(_KEYS)


def _name(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"unknown data set {name!r}; {suggestion(name, NAMES)}")
    return name


def _size(size: object) -> object:
    """One number stands for both sides, and is refused once."""
    if size is None or (isinstance(size, Sequence) and not isinstance(size, str)):
        return size
    side = parse(size)
    if side < 1 or side % 1:
        raise ValueError("a side is a whole number of pixels, 1 or more")
    return side, side


_Side = Annotated[Whole, Field(ge=1)]
_Share = Annotated[Real, Field(gt=0, lt=1)]


class DataSettings(Settings):
    """The images: which reader, where they are, and how they are divided."""

    name: Annotated[str, AfterValidator(_name)]
    path: str | None = None  # folder or file as the shell sees it
    # Height and width to which every image is scaled and cut; without it they must have one size.
    size: Annotated[tuple[_Side, _Side] | None, BeforeValidator(_size)] = None
    channels: Literal[1, 3] | None = None  # grey or colour; without it images must have one kind
    image: str | None = None  # column of a parquet file, where several could be meant
    label: str | None = None
    search_share: _Share = 0.2  # of each class, for scoring candidates
    test_share: _Share = 0.2  # of each class, where no test part is published
    skip_bad: bool = False  # go on without images that cannot be read

    @model_validator(mode="after")
    def _fits_its_source(self) -> Self:
        known = _KEYS[self.name]
        for key in ("path", "size", "channels", "image", "label"):
            if getattr(self, key) is not None and key not in known:
                raise ValueError(f"{key} says nothing to data set {self.name}; leave it out")
        if "path" in known and self.path is None:
            raise ValueError(f"data set {self.name} is read from files; say where: path: FOLDER")
        return self
