"""Folders of images: classes, published splits, and folders that are refused."""

from pathlib import Path

import numpy as np
import pytest

from evo_bnas.progress import silent
from tests.support.datasets import (
    opened,
    random_pixels,
    read,
    refused,
    write_folder,
)


def test_folders_are_classes_sorted_as_text(tmp_path: Path) -> None:
    pixels = random_pixels(6, 3, 4, 6)
    write_folder(tmp_path, pixels, ["10", "2", "Zoo", "10", "2", "Zoo"])
    (tmp_path / "2/deeper").mkdir()
    (tmp_path / "2/001.png").rename(tmp_path / "2/deeper/LOUD.PNG")
    for passed_over in ("notes.txt", "2/.hidden.png", "2/Thumbs.db", "top.png"):
        (tmp_path / passed_over).write_bytes(b"no image")
    (tmp_path / ".cache").mkdir()
    source = opened("folder", tmp_path)
    assert (source.image, source.classes, source.files) == ((3, 4, 6), ("10", "2", "Zoo"), 6)
    decoded = source.read(silent)
    assert np.array_equal(decoded.pixels, pixels[[0, 3, 4, 1, 2, 5]])
    assert decoded.name(3).endswith("LOUD.PNG")


@pytest.mark.parametrize(
    ("folders", "tests"),
    [
        (("train", "test"), (False, True)),
        (("Train", "val"), (False, True)),
        (("train", "test", "val"), (False, True, False)),
    ],
)
def test_train_and_test_folders_are_the_published_splits(
    folders: tuple[str, ...], tests: tuple[bool, ...], tmp_path: Path
) -> None:
    for number, name in enumerate(folders):
        write_folder(tmp_path / name, np.full((2, 1, 3, 3), number, np.uint8), ["a", "b"])
    decoded = read("folder", tmp_path)
    assert decoded.is_test is not None
    assert {
        number: bool(test) for number, test in zip(decoded.pixels[:, 0, 0, 0], decoded.is_test, strict=True)
    } == dict(enumerate(tests))


def test_classes_that_differ_between_train_and_test_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", random_pixels(2, 1, 3, 3), ["a", "b"])
    write_folder(tmp_path / "test", random_pixels(2, 1, 3, 3), ["a", "c"])
    refused("folder", tmp_path, "'b'", "test")


def test_a_folder_without_images_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/readme.txt").write_text("nothing")
    refused("folder", tmp_path, "PATH/CLASS/IMAGE")
    refused("folder", tmp_path / "a/readme.txt", "is a file")
