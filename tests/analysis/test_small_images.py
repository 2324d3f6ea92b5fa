"""CIFAR-10 at 16 x 16 pixels, from a small archive in its format."""

from pathlib import Path

import numpy as np
import torch

from analysis.shared import small_images
from evo_bnas.data.cifar import CIFAR10
from evo_bnas.data.dataset import load
from evo_bnas.recipe import load as load_recipe
from tests.support.datasets import cifar_files, write_files


def test_images_are_halved_in_size_and_the_test_split_is_complete(tmp_path: Path) -> None:
    files, pixels, labels = cifar_files(CIFAR10, each=40)
    write_files(tmp_path / "cifar", files)
    settings = small_images.write(tmp_path / "cifar", tmp_path / "images")
    data = load(settings, seed=0)
    assert data.image == (3, 16, 16)
    assert len(data.classes) == 10
    assert len(data.test) == 40
    seen = len(data.train) + len(data.search)
    assert seen == 50, "a quarter of 200"
    fours = pixels.reshape(-1, 3, 16, 2, 16, 2).mean(axis=(3, 5))
    known = {
        image.tobytes(): label for image, label in zip(np.rint(fours).astype(np.uint8), labels, strict=True)
    }
    for part in (data.train, data.search, data.test):
        for image, label in zip(part.pixels, part.y.tolist(), strict=True):
            assert known[image.numpy().tobytes()] == label
    before = (tmp_path / "images" / "test.parquet").stat().st_mtime_ns
    assert torch.equal(
        load(small_images.write(tmp_path / "none", tmp_path / "images"), seed=0).test.y, data.test.y
    )
    assert (tmp_path / "images" / "test.parquet").stat().st_mtime_ns == before, "written once"


def test_the_recipe_reads_them(tmp_path: Path) -> None:
    files, *_ = cifar_files(CIFAR10, each=40)
    write_files(tmp_path / "cifar", files)
    recipe = load_recipe(small_images.recipe(tmp_path / "cifar", tmp_path))
    assert load(recipe.data, seed=0).image == (3, 16, 16)
    assert recipe.space == "elastic-16"
