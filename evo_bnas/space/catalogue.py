"""Search spaces by the name of a shipped space, or from a YAML file."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from evo_bnas.errors import UsageError, suggestion
from evo_bnas.files.shipped import shipped
from evo_bnas.files.yaml_file import Settings, read, validate
from evo_bnas.space.cell import CellSpace
from evo_bnas.space.cell_definition import CellDefinition
from evo_bnas.space.chain import ChainSpace
from evo_bnas.space.chain_definition import ChainDefinition
from evo_bnas.space.genes import Space
from evo_bnas.space.nb201 import NB201Definition, NB201Space

# One entry per family: the model of its YAML file, and its space.
FAMILIES: dict[str, tuple[type[Settings], Callable[[str, Any], Space]]] = {
    "chain": (ChainDefinition, ChainSpace),
    "cell": (CellDefinition, CellSpace),
    "nb201": (NB201Definition, NB201Space),
}


def names() -> list[str]:
    """The names of the shipped spaces."""
    return sorted(path.stem for path in shipped("spaces").glob("*.yaml"))


def load(name: str | Path) -> Space:
    """The space with this name or in this file; raises UsageError if it does not exist or is not valid."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = shipped("spaces") / f"{name}.yaml"
        if not path.is_file():
            raise UsageError(f"unknown space {str(name)!r}; {suggestion(str(name), names())}")
    return build(path.stem, read(path), str(path))


def taking(image: tuple[int, int, int], classes: int) -> list[Space]:
    """The shipped spaces that take such images, fitted to them, ordered by the distance of their own size."""
    fitting = []
    for name in names():
        space = load(name)
        with suppress(ValueError):  # the images are too small or too large
            fitting.append((abs(space.image[1] - image[1]), name, space.fit(image, classes)))
    return [space for *_, space in sorted(fitting, key=lambda entry: entry[:2])]


def build(name: str, content: Mapping[str, Any], source: str) -> Space:
    """The space that a YAML file defines; raises UsageError with the `source` if it is not valid."""
    family = content.get("family")
    if not isinstance(family, str) or family not in FAMILIES:
        raise UsageError(f"{source}: unknown family {family!r}; choose from {', '.join(FAMILIES)}")
    definition, space = FAMILIES[family]
    valid = validate(definition, content, source)
    try:
        return space(name, valid)
    except ValueError as failure:  # constraints that leave no option at some point
        raise UsageError(f"{source}: {failure}") from None
