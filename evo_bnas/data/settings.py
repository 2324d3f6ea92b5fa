"""The `data` section of a recipe."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evo_bnas.errors import suggestion
from evo_bnas.files.yaml_file import Settings
from evo_bnas.quantity import Real, Whole, parse

# The keys of each reader besides its name; `path` is required if it is listed.
READERS: dict[str, tuple[str, ...]] = {
    "digits": (),
    "cifar10": ("path",),
    "cifar100": ("path",),
    "parquet": ("path", "image", "label", "size", "channels"),
    "folder": ("path", "size", "channels"),
    "idx": ("path",),
}


def _name(name: str) -> str:
    if name not in READERS:
        raise ValueError(f"unknown data set {name!r}; {suggestion(name, READERS)}")
    return name


def _size(size: object) -> object:
    """Turn one number into height and width, so that a wrong one is reported once."""
    if size is None or (isinstance(size, Sequence) and not isinstance(size, str)):
        return size
    side = parse(size)
    if side < 1 or side % 1:
        raise ValueError("must be a whole number of pixels, 1 or more")
    return side, side


_Side = Annotated[Whole, Field(ge=1)]
_Share = Annotated[Real, Field(gt=0, lt=1)]


class DataSettings(Settings):
    """The images: their reader, their location, and how they are split."""

    name: Annotated[str, AfterValidator(_name)]
    path: str | None = None  # folder or file; relative to the working directory
    # Height and width to which all images are scaled and cropped; without it they must have the same size.
    size: Annotated[tuple[_Side, _Side] | None, BeforeValidator(_size)] = None
    channels: Literal[1, 3] | None = None  # 1 greyscale, 3 colour; without it all images must be of one kind
    image: str | None = None  # column of a parquet file, if several columns can be the image
    label: str | None = None  # the same for the label
    search_share: _Share = 0.2  # of each class, for scoring candidates
    test_share: _Share = 0.2  # of each class, if no test split is published
    skip_bad: bool = False  # leave out images that cannot be read

    @model_validator(mode="after")
    def _fits_its_reader(self) -> Self:
        known = READERS[self.name]
        for key in ("path", "size", "channels", "image", "label"):
            if getattr(self, key) is not None and key not in known:
                raise ValueError(f"{key}: has no effect for data set {self.name}; leave it out")
        if "path" in known and self.path is None:
            raise ValueError(f"path: data set {self.name} is read from files; set path to their folder")
        return self
