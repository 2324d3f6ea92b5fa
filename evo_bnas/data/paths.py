"""The files of a data set: where they are, and whether they have changed."""

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from evo_bnas.data.settings import DataSettings
from evo_bnas.errors import UsageError

# Settings that change the decoded images of the same files.
_DECODING = ("name", "size", "channels", "image", "label", "skip_bad")


def data_path(settings: DataSettings) -> Path:
    """The folder or file that a recipe names; raises UsageError if it does not exist."""
    assert settings.path is not None, "readers of files require a path"
    path = Path(settings.path).expanduser()
    if not path.exists():
        raise UsageError(f"data.path {settings.path}: no such file or folder")
    return path


def find_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """All files with these suffixes (in any case) in a folder and its subfolders, sorted, none hidden."""
    files = []
    for parent, subfolder_names, names in os.walk(folder):
        subfolder_names[:] = [name for name in subfolder_names if not _hidden(name)]
        files += [
            Path(parent, name)
            for name in names
            if name.lower().endswith(tuple(suffixes)) and not _hidden(name)
        ]
    return sorted(files)


def subfolders(folder: Path) -> list[Path]:
    """The folders directly in a folder, sorted, none hidden."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _hidden(path.name))


def _hidden(name: str) -> bool:
    return name.startswith((".", "__"))  # __MACOSX is in archives that were made on a Mac


def files_hash(root: Path, files: Iterable[Path], settings: DataSettings) -> str:
    """A hash of names, sizes and times of files, and of the settings that affect their decoding."""
    digest = sha256(repr(settings.model_dump(include=set(_DECODING))).encode())
    for file in files:
        stat = file.stat()
        name = file.relative_to(root) if file != root else file.name
        digest.update(f"\0{name}\0{stat.st_size}\0{stat.st_mtime_ns}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]
