"""The files shipped with the library: `spaces/`, `runs/` and `tables/`."""

from pathlib import Path


def shipped(folder: str) -> Path:
    """A shipped folder: inside the package in a wheel, next to it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder
