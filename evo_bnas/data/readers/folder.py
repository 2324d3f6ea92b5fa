"""Folders of image files, one for each class.

The class folders are in one folder, or in two, `train` and `test`, with the same classes in both. Instead of
`test`, the second may be called `val`; if there is a test folder, the images in `val` are training images.
Classes are sorted as text. Hidden files and files without the suffix of an image are ignored; images in
subfolders of a class folder belong to that class.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from evo_bnas.data.encoded import EncodedImages
from evo_bnas.data.paths import data_path, files_hash, find_files, subfolders
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Source
from evo_bnas.errors import UsageError

_SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"
)  # fmt: skip
_TRAIN, _TEST, _VALIDATION = "train", "test", ("val", "valid", "validation")


class _Tree(NamedTuple):
    """A folder of class folders."""

    folder: Path
    is_test: bool


def open_source(settings: DataSettings) -> Source:
    """The images in a folder of class folders; raises UsageError if it is not one."""
    root = data_path(settings)
    if not root.is_dir():
        raise UsageError(
            f"data.path {settings.path}: is a file; give the folder that contains a folder for each class"
        )
    trees = _trees(root)
    classes = _classes(trees)
    paths: list[Path] = []
    labels: list[int] = []
    tests: list[bool] = []
    for tree in trees:
        for number, name in enumerate(classes):
            files = find_files(tree.folder / name, _SUFFIXES)
            paths += files
            labels += [number] * len(files)
            tests += [tree.is_test] * len(files)
    if not paths:
        examples = ", ".join(_SUFFIXES[:4])
        raise UsageError(
            f"data.path {settings.path}: no class folder in it contains an image ({examples}, ...); "
            "arrange images as PATH/CLASS/IMAGE or PATH/train/CLASS/IMAGE"
        )
    return EncodedImages(
        classes,
        np.array(labels, np.int64),
        np.array(tests) if any(tests) else None,
        lambda: iter(paths),
        lambda number: str(paths[number]),
        len(paths),
        files_hash(root, paths, settings),
    ).source(settings)


def _trees(root: Path) -> list[_Tree]:
    """Training folders, and the test folder if there is one; without such folders, the root."""
    names = {path.name.lower(): path for path in subfolders(root)}
    validation = [names[name] for name in _VALIDATION if name in names]
    if _TRAIN not in names or not (_TEST in names or validation):
        return [_Tree(root, False)]
    if _TEST in names:
        return [*(_Tree(path, False) for path in (names[_TRAIN], *validation)), _Tree(names[_TEST], True)]
    return [_Tree(names[_TRAIN], False), *(_Tree(path, True) for path in validation)]


def _classes(trees: list[_Tree]) -> tuple[str, ...]:
    """The names of the class folders; raises UsageError if they differ between train and test."""
    first, *others = ({path.name for path in subfolders(tree.folder)} for tree in trees)
    for tree, names in zip(trees[1:], others, strict=True):
        for missing, where in ((first - names, tree), (names - first, trees[0])):
            if missing:
                shown = ", ".join(map(repr, sorted(missing)[:3])) + (", ..." if len(missing) > 3 else "")
                raise UsageError(
                    f"{where.folder}: has no class folder {shown}; train and test need the same classes"
                )
    return tuple(sorted(first))
