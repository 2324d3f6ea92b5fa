"""`evo-bnas check`: what it says of good and bad images, as a user and a script meet it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from evo_bnas.cli import app
from evo_bnas.cli.dataset import choose_dataset
from evo_bnas.data import check as checking
from evo_bnas.data.dataset import load
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Raw, Source
from evo_bnas.files.yaml_file import dump, validate
from evo_bnas.plots import contact_sheet
from evo_bnas.progress import silent
from evo_bnas.recipe import Recipe
from tests.data.test_readers import (
    HUNDRED,
    TEN,
    cifar_files,
    drawn,
    spoil,
    write_files,
    write_folder,
    write_idx,
    write_parquet,
)
from tests.support import digits


def evo_bnas(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the digits as PNG files of 0 to 255."""
    path = tmp_path_factory.mktemp("digits")
    raw = digits.raw()
    pixels = np.rint(raw.pixels[:300] * (255 / 16)).astype(np.uint8)
    write_folder(path, pixels, [str(label) for label in raw.labels[:300]])
    return path


def test_digits_are_counted_drawn_and_written_as_the_line_of_a_recipe(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = evo_bnas("check", folder, "--sheet", sheet)
    assert done.exit_code == 0, done.output
    text = done.stdout
    assert f"folder {folder}: 300 files, 300 images, 10 classes" in text
    assert "all 1×8×8" in text
    assert "no image is there twice" in text
    assert "elastic-8" in text
    assert "elastic-mobile-224" not in text
    rows = re.findall(r"^(\d) +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.MULTILINE)
    assert [row[0] for row in rows] == list("0123456789")
    assert all(sum(map(int, row[1:4])) == int(row[4]) for row in rows)
    with Image.open(sheet) as drawing:
        assert drawing.format == "PNG"
        assert drawing.height == 4 + 10 * (64 + 4)  # a row of enlarged images for each class
    # The line in a recipe is the same data set.
    recipe = tmp_path / "own.yaml"
    line = next(line for line in text.splitlines() if line.startswith("data: "))
    recipe.write_text(f"{line}\nspace: elastic-8\n")
    again = evo_bnas("check", recipe)
    assert again.exit_code == 0, again.output
    assert text.splitlines()[0] in again.stdout
    assert again.stdout.splitlines()[-1] == f"next, train and search: evo-bnas run {recipe}"


def test_a_script_reads_the_same_as_json(folder: Path) -> None:
    row = json.loads(evo_bnas("check", folder, "--size", 16, "--channels", 3, "--format", "json").stdout)
    assert row["data"] == {"name": "folder", "path": str(folder), "size": [16, 16], "channels": 3}
    assert row["image"] == [3, 16, 16]
    assert row["shapes"] == [{"shape": [1, 8, 8], "images": 300}]
    assert sum(counts["all"] for counts in row["classes"].values()) == 300
    assert not row["test_published"]
    assert row["wrong"] == row["skipped"] == row["duplicates"]["within"] == []


def test_its_figures_are_those_of_a_run() -> None:
    found = checking.check(*choose_dataset("digits", {}))
    run = load(DataSettings(name="digits"), seed=0)
    assert (found.mean, found.std) == (run.mean, run.std)
    assert np.sum(list(found.counts().values()), axis=0).tolist() == [1079, 359, 359, 1797]


def test_what_would_stop_a_run_ends_with_2_after_everything_is_said(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(40, 1, 8, 8), ["ant", "bee"] * 20)
    Image.new("L", (9, 8)).save(tmp_path / "ant/wide.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "bee/red.png")
    spoil(tmp_path / "bee/001.png")
    (tmp_path / "fly").mkdir()
    Image.new("L", (8, 8), 7).save(tmp_path / "fly/only.png")
    done = evo_bnas("check", tmp_path)
    assert done.exit_code == 2
    assert "height 8, width 8 to 9; most often 1×8×8" in done.stdout
    assert f"{tmp_path}/bee/001.png: is no image" in done.stdout
    assert re.search(r"^bee +20$", done.stdout, re.MULTILINE)
    wrong = [line for line in done.stderr.splitlines() if line.startswith("wrong: ")]
    for line, words in zip(
        wrong,
        (
            "2 sizes; give data.size (--size)",
            "41 are grey and 1 coloured; give data.channels (--channels)",
            "1 of 43 images cannot be read",
            "class 'fly' has 1 images",
        ),
        strict=True,
    ):
        assert words in line
    # Each is mended by what its sentence says.
    Image.new("L", (8, 8), 9).save(tmp_path / "fly/more.png")
    for grey in range(3):
        Image.new("L", (8, 8), grey).save(tmp_path / f"fly/{grey}.png")
    mended = evo_bnas("check", tmp_path, "--size", 8, "--channels", 1, "--skip-bad")
    assert mended.exit_code == 0, mended.output
    assert "size: 8, channels: 1, skip_bad: true}" in mended.stdout


def test_duplicates_are_named_within_and_between_the_parts(tmp_path: Path) -> None:
    pixels = drawn(12, 1, 8, 8)
    write_folder(tmp_path / "train", pixels[[*range(10), 0, 1]], ["a", "b"] * 6)
    write_folder(tmp_path / "test", pixels[[10, 11, 2]], ["a", "b", "b"])
    found = checking.check(*choose_dataset(str(tmp_path), {}))
    short = [
        tuple(str(Path(name).relative_to(tmp_path)) for name in pair) for pair in found.duplicates.within
    ]
    assert short == [("train/a/000.png", "train/a/010.png"), ("train/b/001.png", "train/b/011.png")]
    assert found.duplicates.between == ((f"{tmp_path}/train/a/002.png", f"{tmp_path}/test/b/002.png"),)
    done = evo_bnas("check", tmp_path)
    assert done.exit_code == 0
    assert "2 images equal an earlier one of their part; 1 are in train and test part" in done.stdout


def test_the_reader_is_found_from_what_lies_there(tmp_path: Path) -> None:
    write_folder(tmp_path / "folder", drawn(2, 1, 4, 4), ["a", "b"])
    write_parquet(tmp_path / "parquet/data/train.parquet", drawn(2, 1, 4, 4), [0, 1])
    (tmp_path / "idx").mkdir()
    write_idx(tmp_path / "idx", drawn(2, 1, 4, 4), [0, 1])
    for variant in (TEN, HUNDRED):
        write_files(tmp_path / variant.name / variant.folder, cifar_files(variant)[0])
    for name in ("folder", "parquet", "idx", "cifar10", "cifar100"):
        assert choose_dataset(str(tmp_path / name), {}).settings == DataSettings(
            name=name, path=str(tmp_path / name)
        )
    file = tmp_path / "parquet/data/train.parquet"
    assert choose_dataset(str(file), {}).settings.name == "parquet"
    write_parquet(tmp_path / "folder/.cache/train.parquet", drawn(2, 1, 4, 4), [0, 1])
    assert choose_dataset(str(tmp_path / "folder"), {}).settings.name == "folder"


def test_what_is_neither_images_nor_a_recipe_is_named(tmp_path: Path) -> None:
    done = evo_bnas("check", tmp_path / "no")
    assert done.exit_code == 2
    assert f"{tmp_path}/no: there is no such folder or file" in done.stderr
    (tmp_path / "empty").mkdir()
    sheet = tmp_path / "sheet.png"
    done = evo_bnas("check", tmp_path / "empty", "--sheet", sheet)
    assert done.exit_code == 2
    assert "PATH/CLASS/IMAGE" in done.stderr
    assert not sheet.exists()
    (tmp_path / "text.txt").write_text("text")
    done = evo_bnas("check", tmp_path / "text.txt")
    assert done.exit_code == 2
    assert "text.txt: is no parquet file and no archive of CIFAR" in done.stderr
    done = evo_bnas("check", "digits", "--size", 8)
    assert (done.exit_code, done.stderr) == (
        2,
        "--size: size says nothing to data set digits; leave it out\n",
    )
    (tmp_path / "text.tar.gz").write_text("no archive")
    done = evo_bnas("check", tmp_path / "text.tar.gz")
    assert done.exit_code == 2
    assert "text.tar.gz: is no whole tar archive (file could not be opened successfully)" in done.stderr


def test_a_size_of_nothing_is_refused_once(folder: Path) -> None:
    done = evo_bnas("check", folder, "--size", 0)
    assert done.exit_code == 2
    assert done.stderr == "--size: size: a side is a whole number of pixels, 1 or more (got 0)\n"


def test_of_a_run_the_images_of_its_recipe_are_meant(folder: Path, tmp_path: Path) -> None:
    data = DataSettings(name="folder", path=str(folder), size=(8, 8))
    recipe = Recipe(data=data, space="elastic-8", seed=3)
    (tmp_path / "recipe.yaml").write_text(dump(recipe))
    assert choose_dataset(str(tmp_path), {}) == (data, 3, "elastic-8")
    done = evo_bnas("check", tmp_path, "--size", 16)
    assert done.exit_code == 0, done.output
    assert f"data: {{name: folder, path: {folder}, size: 16}}" in done.stdout


@pytest.mark.parametrize("name", ["folder", "parquet", "idx", "cifar10", "cifar100"])
def test_a_published_test_part_is_said_and_kept(name: str, tmp_path: Path) -> None:
    pixels, labels = drawn(40, 1, 4, 4), [0, 1] * 20
    if name == "folder":
        for part, rows in (("train", slice(0, 30)), ("test", slice(30, 40))):
            write_folder(tmp_path / part, pixels[rows], [("a", "b")[label] for label in labels[rows]])
    elif name == "parquet":
        for part, rows in (("train", slice(0, 30)), ("test", slice(30, 40))):
            write_parquet(tmp_path / f"{part}.parquet", pixels[rows], labels[rows])
    elif name == "idx":
        write_idx(tmp_path, pixels[:30], labels[:30])
        write_idx(tmp_path, pixels[30:], labels[30:], "t10k")
    else:
        variant = TEN if name == "cifar10" else HUNDRED
        write_files(tmp_path, cifar_files(variant, each=400)[0])
    done = evo_bnas("check", tmp_path)
    assert done.exit_code == 0, done.output
    found = re.search(r"images, of which (\d+) are published as the test part, \d+ classes", done.stdout)
    assert found is not None
    rows = re.findall(r"^\S+ +\d+ +\d+ +(\d+) +\d+$", done.stdout, re.MULTILINE)
    assert sum(map(int, rows)) == int(found[1])
    assert json.loads(evo_bnas("check", tmp_path, "--format", "json").stdout)["test_published"]


def test_a_space_that_does_not_take_the_images_of_its_recipe_is_wrong(folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text(f"data: {{name: folder, path: {folder}}}\nspace: elastic-mobile-224\n")
    done = evo_bnas("check", recipe)
    assert done.exit_code == 2
    assert "wrong: space elastic-mobile-224" in done.stderr
    assert evo_bnas("check", recipe, "--size", 224).exit_code == 0


def test_a_sheet_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    done = evo_bnas("check", folder, "--sheet", tmp_path / "no/sheet.png")
    assert done.exit_code == 2
    assert f"--sheet {tmp_path}/no/sheet.png" in done.stderr


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 32, 32), (3, 224, 300), (1, 500, 20)])
def test_a_sheet_shows_images_of_any_size_with_their_own_pixels(
    image: tuple[int, int, int], tmp_path: Path
) -> None:
    shades = np.array([0, 128, 255], np.uint8)[:, None, None, None]
    raw = Raw(np.broadcast_to(shades, (3, *image)).copy(), np.array([0, 1, 1]))
    source = Source(image, ("night", "a class whose name is rather long"), lambda _: raw)
    contact_sheet.draw(raw, source, 0, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("L"))
    height = (len(pixels) - 4) // 2 - 4
    assert 20 <= height <= 96
    left = np.flatnonzero((pixels[4 : 4 + height] == 0).all(0))[0]  # the black image of the first row
    assert pixels[8 + height + height // 2, left] in (128, 255)


def test_the_line_of_a_recipe_keeps_every_setting(tmp_path: Path) -> None:
    from evo_bnas.cli.output import data as readout

    write_folder(tmp_path / "a: b", drawn(30, 1, 6, 9), ["x", "y"] * 15)
    options = {"size": [4, 6], "channels": 3, "search_share": 0.3}
    found = checking.check(*choose_dataset(str(tmp_path / "a: b"), options), silent)
    import yaml

    line = yaml.safe_load(readout.recipe_line(found))["data"]
    assert validate(DataSettings, line, "line") == DataSettings(
        name="folder", path=str(tmp_path / "a: b"), **options
    )
