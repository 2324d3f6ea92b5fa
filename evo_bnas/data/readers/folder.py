"""Folders of image files, one for each class.

They lie in one folder, or in two called train and test, each with the same classes. Instead of test, the
second may be called val; beside a test part, val counts as training images. Classes are sorted as text. What
is hidden or has not the name of an image is passed over; folders in a class folder belong to that class.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from evo_bnas.data import files
from evo_bnas.data.encoded import Encoded, source
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Source
from evo_bnas.errors import UsageError

_IMAGES = (
    ".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"
)  # fmt: skip
_TRAIN, _TEST, _VALIDATION = "train", "test", ("val", "valid", "validation")


class _Tree(NamedTuple):
    """A folder of class folders."""

    folder: Path
    test: bool


def open_source(settings: DataSettings) -> Source:
    """The images in a folder of class folders; raises UsageError where it is none."""
    root = files.root(settings)
    if not root.is_dir():
        raise UsageError(
            f"data.path {settings.path}: is a file; give the folder that holds a folder for each class"
        )
    trees = _trees(root)
    classes = _classes(trees)
    paths: list[Path] = []
    labels: list[int] = []
    tests: list[bool] = []
    for tree in trees:
        for number, name in enumerate(classes):
            found = files.below(tree.folder / name, _IMAGES)
            paths += found
            labels += [number] * len(found)
            tests += [tree.test] * len(found)
    if not paths:
        kinds = ", ".join(_IMAGES[:4])
        raise UsageError(
            f"data.path {settings.path}: no class folder in it holds an image ({kinds}, ...); "
            "lay images out as PATH/CLASS/IMAGE or PATH/train/CLASS/IMAGE"
        )
    encoded = Encoded(
        classes,
        np.array(labels, np.int64),
        np.array(tests) if any(tests) else None,
        lambda: iter(paths),
        lambda number: str(paths[number]),
        len(paths),
        files.state(root, paths, settings),
    )
    return source(encoded, settings)


def _trees(root: Path) -> list[_Tree]:
    """The training part and, where there is one, the test part; else the whole folder."""
    names = {path.name.lower(): path for path in files.folders(root)}
    validation = [names[name] for name in _VALIDATION if name in names]
    if _TRAIN not in names or not (_TEST in names or validation):
        return [_Tree(root, False)]
    if _TEST in names:
        return [*(_Tree(path, False) for path in (names[_TRAIN], *validation)), _Tree(names[_TEST], True)]
    return [_Tree(names[_TRAIN], False), *(_Tree(path, True) for path in validation)]


def _classes(trees: list[_Tree]) -> tuple[str, ...]:
    """The class folders; raises UsageError where two parts have other ones."""
    first, *others = ({path.name for path in files.folders(tree.folder)} for tree in trees)
    for tree, names in zip(trees[1:], others, strict=True):
        for missing, where in ((first - names, tree), (names - first, trees[0])):
            if missing:
                shown = ", ".join(map(repr, sorted(missing)[:3])) + (", ..." if len(missing) > 3 else "")
                raise UsageError(
                    f"{where.folder}: has no class folder {shown}, unlike the other part; "
                    "parts need the same classes"
                )
    return tuple(sorted(first))
