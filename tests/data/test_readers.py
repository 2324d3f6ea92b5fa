"""Readers of image sets: real small files in, the same arrays out, and every kind of bad data named."""

import gzip
import io
import json
import os
import struct
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from evo_bnas.data import decode
from evo_bnas.data.cifar import HUNDRED, TEN, Variant
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Raw, Source, open_source
from evo_bnas.errors import UsageError
from evo_bnas.packed.file import Header, PackedNetwork
from evo_bnas.packed.predict import read_image
from evo_bnas.progress import Progress, silent
from evo_bnas.space import catalogue

Pixels = NDArray[np.uint8]  # images, channels, height, width

NAMES = {
    "info": {
        "features": {"img": {"_type": "Image"}, "label": {"names": ["ant", "bee"], "_type": "ClassLabel"}}
    }
}


def opened(name: str, path: Path, **keys: object) -> Source:
    return open_source(DataSettings.model_validate({"name": name, "path": str(path), **keys}))


def read(name: str, path: Path, **keys: object) -> Raw:
    return opened(name, path, **keys).read(silent)


def refused(name: str, path: Path, *words: str, **keys: object) -> None:
    """Reading ends with an error that holds all these words."""
    with pytest.raises(UsageError) as failure:
        read(name, path, **keys)
    for word in words:
        assert word in str(failure.value)


def drawn(count: int, *image: int) -> Pixels:
    return np.random.default_rng(count).integers(0, 256, (count, *image), dtype=np.uint8)


def picture(pixels: Pixels) -> Image.Image:
    """One image (channels, height, width) as Pillow has it."""
    turned = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    return Image.fromarray(turned[:, :, 0] if len(pixels) == 1 else turned)


def encoded(pixels: Pixels, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture(pixels).save(file, form)
    return file.getvalue()


def write_folder(folder: Path, pixels: Pixels, labels: list[str]) -> None:
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        picture(image).save(folder / label / f"{number:03}.png")


def write_parquet(file: Path, pixels: Pixels, labels: object, *, metadata: object = NAMES) -> None:
    structs = [{"bytes": encoded(image), "path": None} for image in pixels]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"img": pa.array(structs, kind), "label": labels})
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file)


def idx(values: NDArray[np.uint8]) -> bytes:
    head = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.tobytes()


def write_idx(folder: Path, pixels: Pixels, labels: list[int], prefix: str = "train") -> None:
    channels_last = pixels.transpose(0, 2, 3, 1)
    values = channels_last[..., 0] if pixels.shape[1] == 1 else channels_last
    (folder / f"{prefix}-images-idx{values.ndim}-ubyte").write_bytes(idx(values))
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.array(labels, np.uint8)))


def cifar_files(variant: Variant, each: int = 12) -> tuple[dict[str, bytes], Pixels, NDArray[np.int64]]:
    """The files of a small binary archive, with the images and labels that stand in them."""
    count = each * len(variant.files)
    pixels = drawn(count, 3, 32, 32)
    labels = np.arange(count) % len(variant.classes)
    before = np.zeros((count, variant.labels), np.uint8)
    before[:, -1] = labels
    rows = np.concatenate([before, pixels.reshape(count, -1)], axis=1).reshape(-1, each, variant.record)
    return {name: part.tobytes() for name, part in zip(variant.files, rows, strict=True)}, pixels, labels


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def write_archive(file: Path, folder: str, files: dict[str, bytes]) -> None:
    with tarfile.open(file, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one example of Hypothesis."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


images = st.tuples(
    st.integers(2, 6), st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32)
).map(lambda drawn: np.random.default_rng(drawn[4]).integers(0, 256, drawn[:4], dtype=np.uint8))


@hypothesis_settings(max_examples=20)
@given(images)
def test_what_is_written_without_loss_is_read_as_it_was(pixels: Pixels) -> None:
    labels = [number % 2 for number in range(len(pixels))]
    names = [("ant", "bee")[label] for label in labels]
    with folder() as path:
        write_folder(path / "folder", pixels, names)
        write_parquet(path / "parquet/train.parquet", pixels, labels)
        (path / "idx").mkdir()
        write_idx(path / "idx", pixels, labels)
        for name, order in (("folder", np.argsort(labels, kind="stable")), ("parquet", ...), ("idx", ...)):
            source = opened(name, path / name)
            raw = source.read(silent)
            assert source.image == pixels.shape[1:]
            assert source.classes == (("0", "1") if name == "idx" else ("ant", "bee"))
            assert np.array_equal(raw.pixels, pixels[order])
            assert raw.labels.tolist() == np.array(labels)[order].tolist()
            assert raw.labels.dtype == np.int64
            assert raw.test is None
            assert not raw.skipped


# Where things are


def test_a_path_is_as_the_shell_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "mine", drawn(4, 1, 5, 5), ["a", "a", "b", "b"])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert opened("folder", Path("~/mine")).classes == ("a", "b")


@pytest.mark.parametrize("name", ["folder", "parquet", "idx", "cifar10", "cifar100"])
def test_a_missing_path_and_an_empty_folder_are_named(name: str, tmp_path: Path) -> None:
    refused(name, tmp_path / "no", "no such file or folder", str(tmp_path / "no"))
    (tmp_path / "empty").mkdir()
    refused(name, tmp_path / "empty", str(tmp_path / "empty"))


def test_a_state_changes_with_files_and_settings_and_with_nothing_else(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(4, 1, 5, 5), ["a", "a", "b", "b"])
    base = DataSettings(name="folder", path=str(tmp_path))
    state = open_source.__wrapped__(base).state
    assert state
    assert open_source.__wrapped__(base.model_copy(update={"search_share": 0.3})).state == state
    for other in ({"size": (4, 4)}, {"channels": 3}, {"skip_bad": True}):
        assert open_source.__wrapped__(base.model_copy(update=other)).state != state
    os.utime(tmp_path / "a/000.png", ns=(1, 1))
    assert open_source.__wrapped__(base).state != state


def test_a_set_of_one_class_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(2, 1, 5, 5), ["only", "only"])
    refused("folder", tmp_path, "'only'")


# Folders


def test_folders_are_classes_sorted_as_text(tmp_path: Path) -> None:
    pixels = drawn(6, 3, 4, 6)
    write_folder(tmp_path, pixels, ["10", "2", "Zoo", "10", "2", "Zoo"])
    (tmp_path / "2/deeper").mkdir()
    (tmp_path / "2/001.png").rename(tmp_path / "2/deeper/LOUD.PNG")
    for passed_over in ("notes.txt", "2/.hidden.png", "2/Thumbs.db", "top.png"):
        (tmp_path / passed_over).write_bytes(b"no image")
    (tmp_path / ".cache").mkdir()
    source = opened("folder", tmp_path)
    assert (source.image, source.classes, source.files) == ((3, 4, 6), ("10", "2", "Zoo"), 6)
    raw = source.read(silent)
    assert np.array_equal(raw.pixels, pixels[[0, 3, 4, 1, 2, 5]])
    assert raw.name(3).endswith("LOUD.PNG")


@pytest.mark.parametrize(
    ("folders", "tests"),
    [
        (("train", "test"), (False, True)),
        (("Train", "val"), (False, True)),
        (("train", "test", "val"), (False, True, False)),
    ],
)
def test_folders_of_parts_are_the_published_parts(
    folders: tuple[str, ...], tests: tuple[bool, ...], tmp_path: Path
) -> None:
    for number, name in enumerate(folders):
        write_folder(tmp_path / name, np.full((2, 1, 3, 3), number, np.uint8), ["a", "b"])
    raw = read("folder", tmp_path)
    assert raw.test is not None
    assert {
        number: bool(test) for number, test in zip(raw.pixels[:, 0, 0, 0], raw.test, strict=True)
    } == dict(enumerate(tests))


def test_parts_with_other_classes_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", drawn(2, 1, 3, 3), ["a", "b"])
    write_folder(tmp_path / "test", drawn(2, 1, 3, 3), ["a", "c"])
    refused("folder", tmp_path, "has no class folder 'b'", "test")


def test_a_folder_without_images_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/readme.txt").write_text("nothing")
    refused("folder", tmp_path, "holds an image", "PATH/CLASS/IMAGE")
    refused("folder", tmp_path / "a/readme.txt", "is a file")


# Decoding


def test_sizes_are_covered_and_their_middle_is_cut(tmp_path: Path) -> None:
    wide = np.zeros((1, 8, 16), np.uint8)
    wide[:, :, 4:12] = drawn(1, 1, 8, 8)[0]
    write_folder(tmp_path, wide[None].repeat(2, 0), ["a", "b"])
    assert np.array_equal(read("folder", tmp_path, size=8).pixels[0], wide[:, :, 4:12])
    assert read("folder", tmp_path, size=(6, 3)).pixels.shape == (2, 1, 6, 3)


def test_training_sees_a_file_as_predict_does(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(2, 3, 13, 10), ["a", "b"])
    raw = read("folder", tmp_path, size=8, channels=1)
    space = catalogue.load("tiny-8")
    header = Header(
        key="some",
        space="tiny-8",
        blueprint=space.draw(space.smallest()).nodes,
        data="folder",
        classes=tuple("0123456789"),
        mean=(100.0,),
        std=(50.0,),
        white=255,
        test_error=0.5,
    )
    seen = read_image(tmp_path / "a/000.png", PackedNetwork(header, forms={}))
    assert np.array_equal(seen, raw.pixels[0])


def test_grey_becomes_coloured_and_coloured_grey(tmp_path: Path) -> None:
    pixels = drawn(4, 1, 5, 5)
    write_folder(tmp_path, pixels[:2], ["a", "b"])
    write_folder(tmp_path / "../colour", pixels[:2].repeat(3, 1), ["a", "b"])
    assert np.array_equal(read("folder", tmp_path, channels=3).pixels, pixels[:2].repeat(3, 1))
    assert np.array_equal(read("folder", tmp_path / "../colour", channels=1).pixels, pixels[:2])


def test_an_image_is_turned_as_its_exif_data_say() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the first row is the right side
    upright = Image.new("L", (2, 3))
    upright.putpixel((0, 0), 255)
    upright.rotate(90, expand=True).save(file, "PNG", exif=exif)
    found = decode.upright(file.getvalue())
    assert decode.shape(found) == (1, 3, 2)
    assert np.array_equal(np.asarray(found), np.asarray(upright))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_it_is_turned_as_pillow_turns_it(form: str) -> None:
    exif = Image.Exif()
    for exif[0x0112] in range(1, 10):  # 9 means nothing
        file = io.BytesIO()
        picture(drawn(1, 3, 5, 7)[0]).save(file, form, exif=exif)
        with Image.open(file) as saved:
            expected = ImageOps.exif_transpose(saved)
        assert np.array_equal(np.asarray(decode.upright(file.getvalue())), np.asarray(expected))


def exif_of(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF data of a camera that was turned, and of entries as they stand there: tag, type, count, value."""
    turned = (0x0112, 3, 1, b"\6\0\0\0")
    parts = [struct.pack("<HHI4s", *entry) for entry in (turned, *entries)]
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(parts)) + b"".join(parts) + bytes(4)


@pytest.mark.parametrize(
    "entry",
    [
        (0x0100, 2, 2, b"x\0\0\0"),  # text for a length
        (0x010F, 11, 1, struct.pack("<f", 1.5)),  # a float for text
        (0x011A, 2, 2, b"x\0\0\0"),  # text for a fraction
    ],
)
def test_what_else_is_wrong_in_exif_data_does_not_matter(entry: tuple[int, int, int, bytes]) -> None:
    for form in ("JPEG", "PNG", "WEBP"):
        file = io.BytesIO()
        picture(drawn(1, 3, 5, 7)[0]).save(file, form, exif=exif_of(entry))
        assert decode.shape(decode.upright(file.getvalue())) == (3, 7, 5)


def test_what_pillow_warns_of_in_a_damaged_file_is_not_passed_on(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(2, 3, 5, 5), ["a", "b"])
    damaged = exif_of((0x010F, 2, 9999, struct.pack("<I", 9999)))  # text that lies behind the end
    picture(drawn(1, 3, 5, 5)[0]).save(tmp_path / "a/more.jpg", exif=damaged)
    with pytest.warns(UserWarning, match="Tag data larger than file"):
        decode.upright(tmp_path / "a/more.jpg")
    source = opened("folder", tmp_path)  # where a warning would be an error
    assert len(source.read(silent).pixels) == 3
    assert source.survey is not None
    assert source.survey(silent) == {(3, 5, 5): 3}


def test_a_tiff_file_whose_head_is_damaged_is_a_bad_image(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(2, 3, 4, 4), ["a", "b"])
    whole = encoded(drawn(1, 3, 4, 4)[0], "TIFF")
    offset = struct.pack("<HHI", 273, 4, 1)  # of the pixels; its type becomes a float
    assert offset in whole
    (tmp_path / "a/more.tiff").write_bytes(whole.replace(offset, struct.pack("<HHI", 273, 11, 1)))
    refused("folder", tmp_path, "a/more.tiff: is no image", "skip_bad")
    assert len(read("folder", tmp_path, skip_bad=True).skipped) == 1


def test_what_is_transparent_lies_on_white() -> None:
    for mode, clear, expected in (("RGBA", (9, 9, 9, 0), (3, 1, 1)), ("LA", (9, 0), (1, 1, 1))):
        file = io.BytesIO()
        Image.new(mode, (1, 1), clear).save(file, "PNG")
        found = decode.upright(file.getvalue())
        assert decode.shape(found) == expected
        assert np.asarray(found).min() == 255


def test_palettes_are_colours_and_black_and_white_is_grey() -> None:
    for mode, expected in (("P", 3), ("1", 1), ("CMYK", 3)):
        file = io.BytesIO()
        Image.new(mode, (2, 2)).save(file, "TIFF")
        assert decode.shape(decode.upright(file.getvalue()))[0] == expected


def test_what_other_programs_would_have_to_run_is_no_image(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(2, 3, 4, 4), ["a", "b"])
    picture(drawn(1, 3, 4, 4)[0]).save(tmp_path / "a/000.png", "EPS")
    refused("folder", tmp_path, "a/000.png", "is no image")


def test_deep_images_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(2, 1, 4, 4), ["a", "b"])
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a/deep.png")
    refused("folder", tmp_path, "a/deep.png", "more than 8 bits", "convert it")


def test_mixed_sizes_and_colours_are_named_with_the_key_that_mends_them(tmp_path: Path) -> None:
    write_folder(tmp_path / "sizes", drawn(2, 1, 4, 4), ["a", "b"])
    picture(drawn(1, 1, 4, 5)[0]).save(tmp_path / "sizes/b/odd.png")
    refused("folder", tmp_path / "sizes", "b/odd.png", "4×5", "4×4", "data.size")
    write_folder(tmp_path / "colours", drawn(2, 1, 4, 4), ["a", "b"])
    picture(drawn(1, 3, 4, 4)[0]).save(tmp_path / "colours/b/odd.png")
    refused("folder", tmp_path / "colours", "b/odd.png", "3 channels", "data.channels")


def spoil(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:60])


def test_the_first_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(8, 3, 9, 9), list("abababab"))
    for bad in ("a/004.png", "b/003.png"):
        spoil(tmp_path / bad)
    refused("folder", tmp_path, "a/004.png", "skip_bad")


def test_bad_images_are_left_out_counted_and_listed(tmp_path: Path) -> None:
    pixels = drawn(8, 3, 9, 9)
    write_folder(tmp_path, pixels, list("abababab"))
    for bad in ("a/000.png", "b/003.png"):
        spoil(tmp_path / bad)
    raw = read("folder", tmp_path, skip_bad=True)
    assert np.array_equal(raw.pixels, pixels[[2, 4, 6, 1, 5, 7]])
    assert raw.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [skipped.split(":")[0] for skipped in raw.skipped] == [
        str(tmp_path / bad) for bad in ("a/000.png", "b/003.png")
    ]
    assert [Path(raw.name(number)).name for number in (0, 5)] == ["002.png", "007.png"]


def test_where_no_image_can_be_read_the_first_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(2, 3, 9, 9), list("ab"))
    for bad in ("a/000.png", "b/001.png"):
        spoil(tmp_path / bad)
    refused("folder", tmp_path, "none of 2 images", "a/000.png", skip_bad=True)
    refused("folder", tmp_path, "none of 2 images", "a/000.png", skip_bad=True, size=4, channels=1)


def test_more_images_than_memory_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(2, 1, 4, 4), ["a", "b"])
    refused("folder", tmp_path, "2 images", "GB", "data.size", size=10**8)


def test_decoding_is_reported(tmp_path: Path) -> None:
    write_folder(tmp_path, drawn(300, 1, 1, 1), ["a", "b"] * 150)
    steps: list[object] = []
    opened("folder", tmp_path).read(steps.append)
    assert steps == [Progress("images", done, 300, "images") for done in (256, 300)]


# Parquet


def test_parquet_files_are_parts_by_their_names(tmp_path: Path) -> None:
    pixels = drawn(8, 3, 5, 5)
    for name, rows in (
        ("data/test-00000-of-00001", slice(0, 2)),
        ("data/train-00000-of-00002", slice(2, 4)),
        ("data/train-00001-of-00002", slice(4, 6)),
        ("data/validation-00000-of-00001", slice(6, 8)),
    ):
        write_parquet(tmp_path / f"{name}.parquet", pixels[rows], [0, 1])
    raw = read("parquet", tmp_path)
    assert np.array_equal(raw.pixels, pixels[[2, 3, 4, 5, 6, 7, 0, 1]])
    assert raw.test is not None
    assert raw.test.tolist() == [False] * 6 + [True] * 2
    assert raw.name(3).endswith("train-00001-of-00002.parquet: row 1")
    # A single file is one set, whatever it is called.
    assert read("parquet", tmp_path / "data/test-00000-of-00001.parquet").test is None


def test_folders_of_parquet_files_are_parts_by_their_names(tmp_path: Path) -> None:
    for name in ("test", "train"):
        write_parquet(tmp_path / f"set/{name}/0000.parquet", drawn(2, 1, 4, 4), [0, 1])
    raw = read("parquet", tmp_path)
    assert raw.test is not None
    assert raw.test.tolist() == [False, False, True, True]
    write_parquet(tmp_path / "other/train/0000.parquet", drawn(2, 1, 4, 4), [0, 1])
    refused("parquet", tmp_path / "../" / tmp_path.name, "2 folders", "other")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["wasp", "ant", "wasp"], ("ant", "wasp")),
        (pa.array(["wasp", "ant", "wasp"]).dictionary_encode(), ("ant", "wasp")),
        ([70, 8, 70], ("8", "70")),
    ],
)
def test_without_class_names_the_distinct_labels_are_the_classes(
    labels: object, classes: tuple[str, ...], tmp_path: Path
) -> None:
    write_parquet(tmp_path / "a.parquet", drawn(3, 1, 4, 4), labels, metadata=None)
    source = opened("parquet", tmp_path)
    assert source.classes == classes
    assert source.read(silent).labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("label", [-1, 2, None])
def test_a_label_out_of_range_is_named_with_its_row(label: int | None, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", drawn(3, 1, 4, 4), pa.array([0, 1, label]))
    refused(
        "parquet",
        tmp_path,
        "a.parquet: row 2",
        "no label" if label is None else f"label {label} is out of range",
    )


def test_files_that_number_classes_differently_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", drawn(2, 1, 4, 4), [0, 1])
    turned = {"info": {"features": {"label": {"names": ["bee", "ant"], "_type": "ClassLabel"}}}}
    write_parquet(tmp_path / "test.parquet", drawn(2, 1, 4, 4), [0, 1], metadata=turned)
    refused("parquet", tmp_path, "test.parquet", "other classes", "train.parquet")


def test_columns_that_could_each_be_meant_are_named(tmp_path: Path) -> None:
    images = [encoded(image) for image in drawn(2, 1, 4, 4)]
    table = pa.table(
        {"photo": images, "mask": images[::-1], "coarse": [3, 4], "fine": [1, 0], "score": [0.5, 0.6]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    refused("parquet", tmp_path, "photo, mask could each be the image", "data.image")
    refused("parquet", tmp_path, "coarse, fine could each be the label", "data.label", image="photo")
    refused("parquet", tmp_path, "data.image", "no column 'phot'", '"photo"', image="phot")
    refused("parquet", tmp_path, "data.label", "'score'", "double", image="photo", label="score")
    raw = read("parquet", tmp_path, image="photo", label="fine")
    assert raw.labels.tolist() == [1, 0]
    assert np.array_equal(raw.pixels, drawn(2, 1, 4, 4))


def test_a_table_without_images_or_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [0.5], "label": [1]}), tmp_path / "a.parquet")
    refused("parquet", tmp_path / "a.parquet", "no column can be the image", "x (double)")
    write_parquet(tmp_path / "b.parquet", drawn(2, 1, 4, 4)[:0], pa.array([], pa.int64()))
    refused("parquet", tmp_path / "b.parquet", "no rows")


def test_a_truncated_or_foreign_parquet_file_is_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "whole/train.parquet", drawn(2, 1, 4, 4), [0, 1])
    write_parquet(tmp_path / "whole/test.parquet", drawn(2, 1, 4, 4), [0, 1])
    spoil(tmp_path / "whole/test.parquet")
    refused("parquet", tmp_path / "whole", "test.parquet", "no whole parquet file")
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    refused("parquet", tmp_path / "text.parquet", "text.parquet", "no whole parquet file")


def test_a_parquet_file_broken_inside_is_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", drawn(40, 3, 16, 16), [0, 1] * 20)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[4:2000] = b"\xff" * 1996
    (tmp_path / "a.parquet").write_bytes(content)
    refused("parquet", tmp_path, "a.parquet", "no whole parquet file")


def test_rows_without_an_image_are_bad_images(tmp_path: Path) -> None:
    table = pa.table(
        {"image": pa.array([encoded(drawn(1, 1, 4, 4)[0]), None, b"no"], pa.binary()), "label": [0, 0, 1]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    refused("parquet", tmp_path, "a.parquet: row 1: is no image")
    raw = read("parquet", tmp_path, skip_bad=True)
    assert len(raw.pixels) == 1
    assert [bad.split(": ")[1] for bad in raw.skipped] == ["row 1", "row 2"]


# CIFAR

VARIANTS = pytest.mark.parametrize("variant", [TEN, HUNDRED], ids=["cifar10", "cifar100"])


@VARIANTS
def test_the_binary_archive_is_read_unpacked_or_packed(variant: Variant, tmp_path: Path) -> None:
    files, pixels, labels = cifar_files(variant, each=60)
    write_files(tmp_path / "unpacked" / variant.folder, files)
    archive = tmp_path / "packed" / f"{variant.stem}-binary.tar.gz"
    archive.parent.mkdir()
    # In another order, as in the published one.
    write_archive(archive, variant.folder, dict(reversed(files.items())))
    places = (tmp_path / "unpacked", tmp_path / "unpacked" / variant.folder, archive.parent, archive)
    for place in places:
        source = opened(variant.name, place)
        raw = source.read(silent)
        assert (source.image, source.classes) == ((3, 32, 32), variant.classes)
        assert np.array_equal(raw.pixels, pixels)
        assert np.array_equal(raw.labels, labels)
        assert raw.test is not None
        assert raw.test.tolist() == [False] * (len(labels) - 60) + [True] * 60
        assert raw.name(len(labels) - 1) == f"{variant.test}: image 59"
    assert list(archive.parent.iterdir()) == [archive]


@VARIANTS
def test_the_other_variant_is_named(variant: Variant, tmp_path: Path) -> None:
    other = HUNDRED if variant is TEN else TEN
    files, _, _ = cifar_files(other)
    write_files(tmp_path / "files", files)
    write_archive(tmp_path / "some.tar.gz", other.folder, files)
    for place in (tmp_path / "files", tmp_path / "some.tar.gz"):
        refused(variant.name, place, f"holds {other.title}", f"data.name: {other.name}")


@VARIANTS
def test_pickles_are_refused_with_the_reason(variant: Variant, tmp_path: Path) -> None:
    files = dict.fromkeys(variant.pickles, b"cos\nsystem\n(S'touch executed'\ntR.")
    write_files(tmp_path / "python", files)
    write_archive(tmp_path / "some.tar.gz", "python", files)
    for place in (tmp_path / "python", tmp_path / "some.tar.gz"):
        refused(variant.name, place, "pickles", "can run anything", f"{variant.stem}-binary.tar.gz")


def _cut(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"test_batch.bin": files["test_batch.bin"][:-1]}


def _empty(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"data_batch_2.bin": b""}


def _label(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"data_batch_4.bin": b"\x0a" + files["data_batch_4.bin"][1:]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_cut, ("test_batch.bin", "no whole images of 3,073 bytes")),
        (_empty, ("data_batch_2.bin", "0 bytes")),
        (_label, ("data_batch_4.bin", "label 10 is out of range", "10 classes")),
    ],
)
def test_a_wrong_file_of_an_archive_is_named(
    change: Callable[[dict[str, bytes]], dict[str, bytes]], words: tuple[str, ...], tmp_path: Path
) -> None:
    files = change(cifar_files(TEN)[0])
    write_files(tmp_path / "files", files)
    write_archive(tmp_path / "some.tar.gz", TEN.folder, files)
    refused("cifar10", tmp_path / "files", *words)
    refused("cifar10", tmp_path / "some.tar.gz", *words)


def test_missing_files_and_cut_archives_are_named(tmp_path: Path) -> None:
    files, _, _ = cifar_files(TEN)
    write_archive(tmp_path / "some.tar.gz", TEN.folder, files)
    whole = (tmp_path / "some.tar.gz").read_bytes()
    (tmp_path / "some.tar.gz").write_bytes(whole[: len(whole) // 2])
    refused("cifar10", tmp_path / "some.tar.gz", "some.tar.gz", "no whole tar archive")
    (tmp_path / "text.tar.gz").write_text("no archive")
    refused(
        "cifar10", tmp_path / "text.tar.gz", "text.tar.gz", "no whole tar archive (", "opened successfully);"
    )
    del files["data_batch_3.bin"]
    write_files(tmp_path / "files", files)
    refused("cifar10", tmp_path / "files", "data_batch_3.bin", "missing")
    write_archive(tmp_path / "less.tar.gz", TEN.folder, files)
    refused("cifar10", tmp_path / "less.tar.gz", "data_batch_3.bin", "missing")


def test_cifar_is_read_from_parquet_and_another_set_is_not(tmp_path: Path) -> None:
    names = {"info": {"features": {"label": {"names": list(TEN.classes), "_type": "ClassLabel"}}}}
    pixels = drawn(10, 3, 32, 32)
    write_parquet(tmp_path / "ten/train.parquet", pixels, list(range(10)), metadata=names)
    assert np.array_equal(read("cifar10", tmp_path / "ten").pixels, pixels)
    write_parquet(tmp_path / "two/train.parquet", pixels, [0, 1] * 5)
    refused("cifar10", tmp_path / "two", "not CIFAR-10", "2 classes", "parquet")


def test_of_a_hundred_classes_the_fine_ones_are_taken(tmp_path: Path) -> None:
    feature = {"names": list(HUNDRED.classes), "_type": "ClassLabel"}
    features = {"fine_label": feature, "coarse_label": feature | {"names": ["fish", "flowers"]}}
    images = [encoded(image) for image in drawn(2, 3, 32, 32)]
    table = pa.table({"img": images, "fine_label": [99, 0], "coarse_label": [1, 0]})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "train.parquet")
    source = opened("cifar100", tmp_path)
    assert source.classes == HUNDRED.classes
    assert source.read(silent).labels.tolist() == [99, 0]


# idx


def test_idx_files_may_be_packed_and_have_a_test_part(tmp_path: Path) -> None:
    pixels = drawn(5, 3, 4, 6)
    write_idx(tmp_path, pixels[:3], [4, 0, 9])
    write_idx(tmp_path, pixels[3:], [9, 4], "t10k")
    for file in list(tmp_path.iterdir())[::2]:
        (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    source = opened("idx", tmp_path)
    assert (source.image, source.classes, source.files) == ((3, 4, 6), ("0", "4", "9"), 4)
    raw = source.read(silent)
    assert np.array_equal(raw.pixels, pixels)
    assert raw.labels.tolist() == [1, 0, 2, 2, 1]
    assert raw.test is not None
    assert raw.test.tolist() == [False, False, False, True, True]


def test_what_is_wrong_with_idx_files_is_named(tmp_path: Path) -> None:
    def written(name: str, **changed: bytes) -> Path:
        path = tmp_path / name
        path.mkdir()
        write_idx(path, drawn(4, 1, 3, 3), [0, 1, 0, 1])
        for file, content in changed.items():
            (path / file.replace("_", "-")).write_bytes(content)
        return path

    images, labels = "train_images_idx3_ubyte", "train_labels_idx1_ubyte"
    pixels = drawn(4, 3, 3)
    refused("idx", written("cut", **{images: idx(pixels)[:-1]}), "train-images", "4×3×3", "only 35")
    refused("idx", written("long", **{images: idx(pixels) + b"!"}), "train-images", "more")
    refused("idx", written("kind", **{images: b"\x89PNG\r\n"}), "train-images", "89 50 4e 47")
    refused("idx", written("head", **{images: idx(pixels)[:6]}), "train-images", "ends in its head")
    refused("idx", written("few", **{labels: idx(np.zeros(3, np.uint8))}), "3 labels for 4 images")
    refused(
        "idx", written("none", **{images: idx(pixels[:0]), labels: idx(np.zeros(0, np.uint8))}), "no images"
    )
    refused("idx", written("two", **{images: idx(drawn(4, 3, 3, 2))}), "2 channels")

    def head(*sizes: int) -> bytes:
        return bytes((0, 0, 8, 3)) + struct.pack(">3I", *sizes) + bytes(36)

    refused("idx", written("flat", **{images: head(4, 0, 0)}), "train-images", "0×0")
    for name, side in (("vast", 2**20), ("wider", 2**31)):
        refused("idx", written(name, **{images: head(4, side, side)}), f"4×{side}×{side}", "only 36")
    packed = written("packed")
    (packed / "train-labels-idx1-ubyte").unlink()
    refused("idx", packed, "train-labels-idx1-ubyte", ".gz")
    (packed / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    refused("idx", packed, "train-labels-idx1-ubyte.gz", "no whole idx file")
    other = written("other")
    write_idx(other, drawn(2, 1, 3, 4), [0, 1], "t10k")
    refused("idx", other, "t10k-images", "3×4", "3×3")
    refused("idx", other / "train-images-idx3-ubyte", "is a file")
