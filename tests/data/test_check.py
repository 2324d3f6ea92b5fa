"""`evo-bnas check`: its report on good and bad images, for people and for scripts."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from evo_bnas.cli import app
from evo_bnas.cli.dataset import choose_dataset
from evo_bnas.cli.output import data as output
from evo_bnas.data.check import check
from evo_bnas.data.cifar import CIFAR10, CIFAR100
from evo_bnas.data.dataset import load
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import DecodedImages, Source
from evo_bnas.files.yaml_file import dump, validate
from evo_bnas.plots import contact_sheet
from evo_bnas.progress import silent
from evo_bnas.recipe import Recipe
from tests.support import digits
from tests.support.datasets import (
    cifar_files,
    random_pixels,
    truncate,
    write_files,
    write_folder,
    write_idx,
    write_parquet,
)


def evo_bnas(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the digits as PNG files of 0 to 255."""
    path = tmp_path_factory.mktemp("digits")
    decoded = digits.decoded()
    pixels = np.rint(decoded.pixels[:300] * (255 / 16)).astype(np.uint8)
    write_folder(path, pixels, [str(label) for label in decoded.labels[:300]])
    return path


def test_digits_are_counted_drawn_and_described_by_a_line_for_a_recipe(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = evo_bnas("check", folder, "--sheet", sheet)
    assert done.exit_code == 0, done.output
    text = done.stdout
    assert f"folder {folder}: 300 files, 300 images, 10 classes" in text
    assert "all 1×8×8" in text
    assert re.search("^duplicates +none", text, re.MULTILINE)
    assert "elastic-8" in text
    assert "elastic-mobile-224" not in text
    rows = re.findall(r"^(\d) +(\d+) +(\d+) +(\d+) +(\d+)$", text, re.MULTILINE)
    assert [row[0] for row in rows] == list("0123456789")
    assert all(sum(map(int, row[1:4])) == int(row[4]) for row in rows)
    with Image.open(sheet) as drawing:
        assert drawing.format == "PNG"
        assert drawing.height == 4 + 10 * (64 + 4)  # a row of enlarged images for each class
    # A recipe with this line has the same data set.
    recipe = tmp_path / "own.yaml"
    line = next(line for line in text.splitlines() if line.startswith("data: "))
    recipe.write_text(f"{line}\nspace: elastic-8\n")
    again = evo_bnas("check", recipe)
    assert again.exit_code == 0, again.output
    assert text.splitlines()[0] in again.stdout
    assert again.stdout.splitlines()[-1] == f"next, train and search: evo-bnas run {recipe}"


def test_the_report_is_available_as_json(folder: Path) -> None:
    row = json.loads(evo_bnas("check", folder, "--size", 16, "--channels", 3, "--format", "json").stdout)
    assert row["data"] == {"name": "folder", "path": str(folder), "size": [16, 16], "channels": 3}
    assert row["image"] == [3, 16, 16]
    assert row["shapes"] == [{"shape": [1, 8, 8], "images": 300}]
    assert sum(counts["all"] for counts in row["classes"].values()) == 300
    assert not row["test_published"]
    assert row["problems"] == row["skipped"] == row["duplicates"]["within"] == []


def test_its_mean_and_counts_are_those_of_a_run() -> None:
    checked = check(*choose_dataset("digits", {}))
    run = load(DataSettings(name="digits"), seed=0)
    assert (checked.mean, checked.std) == (run.mean, run.std)
    assert np.sum(list(checked.counts().values()), axis=0).tolist() == [1079, 359, 359, 1797]


def test_problems_that_would_stop_a_run_are_all_reported_with_exit_code_2(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(40, 1, 8, 8), ["ant", "bee"] * 20)
    Image.new("L", (9, 8)).save(tmp_path / "ant/wide.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "bee/red.png")
    truncate(tmp_path / "bee/001.png")
    (tmp_path / "fly").mkdir()
    Image.new("L", (8, 8), 7).save(tmp_path / "fly/only.png")
    done = evo_bnas("check", tmp_path)
    assert done.exit_code == 2
    assert "height 8, width 8 to 9; most often 1×8×8" in done.stdout
    assert f"{tmp_path}/bee/001.png: " in done.stdout
    assert re.search(r"^bee +20$", done.stdout, re.MULTILINE)
    problems = [line for line in done.stderr.splitlines() if line.startswith("problem: ")]
    for line, words in zip(
        problems,
        (
            ("2 sizes", "data.size (--size)"),
            ("41", "1", "data.channels (--channels)"),
            ("1 of 43 images", "--skip-bad"),
            ("class 'fly'", "1 images"),
        ),
        strict=True,
    ):
        assert all(word in line for word in words)
    # The suggestions solve the problems.
    Image.new("L", (8, 8), 9).save(tmp_path / "fly/more.png")
    for grey in range(3):
        Image.new("L", (8, 8), grey).save(tmp_path / f"fly/{grey}.png")
    solved = evo_bnas("check", tmp_path, "--size", 8, "--channels", 1, "--skip-bad")
    assert solved.exit_code == 0, solved.output
    assert "size: 8, channels: 1, skip_bad: true}" in solved.stdout


def test_duplicates_are_named_within_and_between_the_splits(tmp_path: Path) -> None:
    pixels = random_pixels(12, 1, 8, 8)
    write_folder(tmp_path / "train", pixels[[*range(10), 0, 1]], ["a", "b"] * 6)
    write_folder(tmp_path / "test", pixels[[10, 11, 2]], ["a", "b", "b"])
    duplicates = check(*choose_dataset(str(tmp_path), {})).duplicates
    short = [tuple(str(Path(name).relative_to(tmp_path)) for name in pair) for pair in duplicates.within]
    assert short == [("train/a/000.png", "train/a/010.png"), ("train/b/001.png", "train/b/011.png")]
    assert duplicates.between == ((f"{tmp_path}/train/a/002.png", f"{tmp_path}/test/b/002.png"),)
    done = evo_bnas("check", tmp_path)
    assert done.exit_code == 0
    assert re.search(r"^duplicates +2 within .*, 1 between ", done.stdout, re.MULTILINE)


def test_the_reader_is_detected_from_the_files(tmp_path: Path) -> None:
    write_folder(tmp_path / "folder", random_pixels(2, 1, 4, 4), ["a", "b"])
    write_parquet(tmp_path / "parquet/data/train.parquet", random_pixels(2, 1, 4, 4), [0, 1])
    (tmp_path / "idx").mkdir()
    write_idx(tmp_path / "idx", random_pixels(2, 1, 4, 4), [0, 1])
    for variant in (CIFAR10, CIFAR100):
        write_files(tmp_path / variant.name / variant.folder, cifar_files(variant)[0])
    for name in ("folder", "parquet", "idx", "cifar10", "cifar100"):
        assert choose_dataset(str(tmp_path / name), {}).settings == DataSettings(
            name=name, path=str(tmp_path / name)
        )
    file = tmp_path / "parquet/data/train.parquet"
    assert choose_dataset(str(file), {}).settings.name == "parquet"
    write_parquet(tmp_path / "folder/.cache/train.parquet", random_pixels(2, 1, 4, 4), [0, 1])
    assert choose_dataset(str(tmp_path / "folder"), {}).settings.name == "folder"


def test_targets_without_images_are_refused(tmp_path: Path) -> None:
    done = evo_bnas("check", tmp_path / "no")
    assert done.exit_code == 2
    assert f"{tmp_path}/no" in done.stderr
    (tmp_path / "empty").mkdir()
    sheet = tmp_path / "sheet.png"
    done = evo_bnas("check", tmp_path / "empty", "--sheet", sheet)
    assert done.exit_code == 2
    assert "PATH/CLASS/IMAGE" in done.stderr
    assert not sheet.exists()
    (tmp_path / "text.txt").write_text("text")
    done = evo_bnas("check", tmp_path / "text.txt")
    assert done.exit_code == 2
    assert "text.txt" in done.stderr
    done = evo_bnas("check", "digits", "--size", 8)
    assert done.exit_code == 2
    assert re.search("^--size: .*digits; leave it out$", done.stderr)
    (tmp_path / "text.tar.gz").write_text("not an archive")
    done = evo_bnas("check", tmp_path / "text.tar.gz")
    assert done.exit_code == 2
    assert "text.tar.gz" in done.stderr


def test_a_size_of_0_is_refused_once(folder: Path) -> None:
    done = evo_bnas("check", folder, "--size", 0)
    assert done.exit_code == 2
    assert re.fullmatch(r"--size: size: .*1 or more \(got 0\)\n", done.stderr)


def test_a_run_stands_for_the_images_of_its_recipe(folder: Path, tmp_path: Path) -> None:
    data = DataSettings(name="folder", path=str(folder), size=(8, 8))
    recipe = Recipe(data=data, space="elastic-8", seed=3)
    (tmp_path / "recipe.yaml").write_text(dump(recipe))
    assert choose_dataset(str(tmp_path), {}) == (data, 3, "elastic-8")
    done = evo_bnas("check", tmp_path, "--size", 16)
    assert done.exit_code == 0, done.output
    assert f"data: {{name: folder, path: {folder}, size: 16}}" in done.stdout


@pytest.mark.parametrize("name", ["folder", "parquet", "idx", "cifar10", "cifar100"])
def test_a_published_test_split_is_reported_and_used(name: str, tmp_path: Path) -> None:
    pixels, labels = random_pixels(40, 1, 4, 4), [0, 1] * 20
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
        variant = CIFAR10 if name == "cifar10" else CIFAR100
        write_files(tmp_path, cifar_files(variant, each=400)[0])
    done = evo_bnas("check", tmp_path)
    assert done.exit_code == 0, done.output
    published = re.search(r"^data .* images, of which (\d+) .*, \d+ classes", done.stdout)
    assert published is not None
    rows = re.findall(r"^\S+ +\d+ +\d+ +(\d+) +\d+$", done.stdout, re.MULTILINE)
    assert sum(map(int, rows)) == int(published[1])
    assert json.loads(evo_bnas("check", tmp_path, "--format", "json").stdout)["test_published"]


def test_a_space_for_images_of_another_size_is_a_problem(folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.write_text(f"data: {{name: folder, path: {folder}}}\nspace: elastic-mobile-224\n")
    done = evo_bnas("check", recipe)
    assert done.exit_code == 2
    assert "problem: space elastic-mobile-224" in done.stderr
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
    decoded = DecodedImages(np.broadcast_to(shades, (3, *image)).copy(), np.array([0, 1, 1]))
    source = Source(image, ("night", "a class whose name is rather long"), lambda _: decoded)
    contact_sheet.draw(decoded, source, 0, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("L"))
    height = (len(pixels) - 4) // 2 - 4
    assert 20 <= height <= 96
    left = np.flatnonzero((pixels[4 : 4 + height] == 0).all(0))[0]  # the black image of the first row
    assert pixels[8 + height + height // 2, left] in (128, 255)


def test_the_line_for_a_recipe_has_every_setting(tmp_path: Path) -> None:
    write_folder(tmp_path / "a: b", random_pixels(30, 1, 6, 9), ["x", "y"] * 15)
    options = {"size": [4, 6], "channels": 3, "search_share": 0.3}
    checked = check(*choose_dataset(str(tmp_path / "a: b"), options), silent)
    line = yaml.safe_load(output.recipe_line(checked))["data"]
    assert validate(DataSettings, line, "line") == DataSettings(
        name="folder", path=str(tmp_path / "a: b"), **options
    )
