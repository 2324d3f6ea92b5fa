"""The result of an export."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Exported:
    """The files that were written, the memory that they need, and a command that uses them."""

    files: tuple[Path, ...]
    sizes: Mapping[str, int]  # bytes, by purpose
    command: str
