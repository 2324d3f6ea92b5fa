"""A folder of image files through the whole command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evo_bnas.data.dataset import Images, load
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import open_source
from tests.support import digits
from tests.support.commands import evo_bnas, overrides, printed
from tests.support.digits import DIGITS
from tests.support.short_runs import SHORT

TRAINED = (*SHORT, "supernet.epochs=12", "search.evaluations=16", "retrain.epochs=12")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as PNG files, one folder per class."""
    folder = tmp_path_factory.mktemp("pictures")
    pixels, labels, *_ = digits.decoded()
    white = open_source(DIGITS).white
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        grey = np.rint(image[0] * (255 / white)).astype(np.uint8)
        Image.fromarray(grey).save(folder / str(label) / f"{number:04}.png")
    return folder


def as_set(images: Images, white: float) -> set[tuple[int, bytes]]:
    """Label and pixels of every image, in 17 grey levels."""
    pixels = np.rint(images.pixels.numpy() * (16 / white)).astype(np.uint8)
    return {(int(label), image.tobytes()) for label, image in zip(images.y, pixels, strict=True)}


def test_a_folder_of_the_digits_is_split_like_the_digits(pictures: Path) -> None:
    built_in, own = load(DIGITS, seed=0), load(DataSettings(name="folder", path=str(pictures)), seed=0)
    assert own.classes == built_in.classes
    assert own.image == built_in.image
    for part in ("train", "search", "test"):
        mine, theirs = getattr(own, part), getattr(built_in, part)
        assert len(mine) == len(theirs)
        assert as_set(mine, 255) == as_set(theirs, 16)


@pytest.mark.slow
def test_a_folder_of_the_digits_is_learned_as_well_as_the_digits(pictures: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text(
        f"data: {{name: folder, path: {pictures}}}\nspace: elastic-8\n"
        "supernet: {batch: 64, lr: 5e-3}\npick: {limits: {ops: 40k}}\nretrain: {batch: 64, lr: 5e-3}\n"
    )
    changes = overrides(*TRAINED, "pick.limits.ops=40k")
    printed("run", recipe, *changes, "--out", tmp_path / "own")
    printed("run", "digits", *changes, "--out", tmp_path / "digits")
    errors = {}
    for name in ("own", "digits"):
        (card,) = (tmp_path / name / "picks").glob("*/card.json")
        errors[name] = json.loads(card.read_text())["test_error"]
    # 359 test images and one training each: three deviations of the difference of errors of 5 % are 5 points.
    assert abs(errors["own"] - errors["digits"]) < 0.05
    assert max(errors.values()) < 0.15
    # Decoded images are cached in the run.
    assert np.load(tmp_path / "own" / "data" / "pixels.npy").shape == (1797, 1, 8, 8)


@pytest.mark.slow
def test_an_unreadable_image_stops_a_run_before_it_trains_or_is_skipped(
    pictures: Path, tmp_path: Path
) -> None:
    bad = pictures / "3" / "bad.png"
    bad.write_bytes(b"text")
    try:
        recipe = tmp_path / "own.yaml"
        recipe.write_text(
            f"data: {{name: folder, path: {pictures}}}\nspace: elastic-8\n"
            "supernet: {epochs: 1, min_steps: 0}\n"
        )
        refused = evo_bnas("train", recipe, "--out", tmp_path / "run")
        assert refused.returncode == 2
        assert str(bad) in refused.stderr
        assert "--skip-bad" in refused.stderr
        assert not (tmp_path / "run").exists()
        taken = evo_bnas("train", recipe, "--out", tmp_path / "other", "--skip-bad")
        assert taken.returncode == 0, taken.stderr
        assert f"1 image is left out as unreadable:\n        {bad}" in taken.stdout
    finally:
        bad.unlink()
