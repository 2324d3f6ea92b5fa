"""The files of a data set: where they are, and whether they are the same as before."""

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from evo_bnas.data.settings import DataSettings
from evo_bnas.errors import UsageError

# What else decides which arrays a reader makes of the same files.
_DECIDING = ("name", "size", "channels", "image", "label", "skip_bad")


def root(settings: DataSettings) -> Path:
    """The folder or file that a recipe names; raises UsageError where there is none."""
    assert settings.path is not None, "settings of files have a path"
    path = Path(settings.path).expanduser()
    if not path.exists():
        raise UsageError(f"data.path {settings.path}: there is no such file or folder")
    return path


def below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files with these suffixes, in any case, in a folder and what is in it, sorted; nothing hidden."""
    found = []
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not _hidden(name)]
        found += [
            Path(place, name)
            for name in names
            if name.lower().endswith(tuple(suffixes)) and not _hidden(name)
        ]
    return sorted(found)


def folders(folder: Path) -> list[Path]:
    """The folders directly in a folder, sorted; nothing hidden."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _hidden(path.name))


def _hidden(name: str) -> bool:
    return name.startswith((".", "__"))  # __MACOSX is what archives of a Mac hide


def state(root: Path, files: Iterable[Path], settings: DataSettings) -> str:
    """A hash of the names, sizes and times of files and of what the settings say about decoding them."""
    hashed = sha256(repr(settings.model_dump(include=set(_DECIDING))).encode())
    for file in files:
        found = file.stat()
        name = file.relative_to(root) if file != root else file.name
        hashed.update(f"\0{name}\0{found.st_size}\0{found.st_mtime_ns}".encode(errors="surrogateescape"))
    return hashed.hexdigest()[:16]
