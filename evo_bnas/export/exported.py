"""What an export tells of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Exported:
    """Files that were written, what they take in bytes, and a command that uses them."""

    files: tuple[Path, ...]
    sizes: Mapping[str, int]  # bytes by name
    command: str
