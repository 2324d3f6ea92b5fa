"""Parquet files: splits, columns, labels, and files that are refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evo_bnas.progress import silent
from tests.support.datasets import (
    encode,
    opened,
    random_pixels,
    read,
    refused,
    truncate,
    write_parquet,
)


def test_the_names_of_parquet_files_decide_their_split(tmp_path: Path) -> None:
    pixels = random_pixels(8, 3, 5, 5)
    for name, rows in (
        ("data/test-00000-of-00001", slice(0, 2)),
        ("data/train-00000-of-00002", slice(2, 4)),
        ("data/train-00001-of-00002", slice(4, 6)),
        ("data/validation-00000-of-00001", slice(6, 8)),
    ):
        write_parquet(tmp_path / f"{name}.parquet", pixels[rows], [0, 1])
    decoded = read("parquet", tmp_path)
    assert np.array_equal(decoded.pixels, pixels[[2, 3, 4, 5, 6, 7, 0, 1]])
    assert decoded.is_test is not None
    assert decoded.is_test.tolist() == [False] * 6 + [True] * 2
    assert decoded.name(3).endswith("train-00001-of-00002.parquet: row 1")
    # A single file is split, whatever its name.
    assert read("parquet", tmp_path / "data/test-00000-of-00001.parquet").is_test is None


def test_the_names_of_folders_of_parquet_files_decide_their_split(tmp_path: Path) -> None:
    for name in ("test", "train"):
        write_parquet(tmp_path / f"set/{name}/0000.parquet", random_pixels(2, 1, 4, 4), [0, 1])
    decoded = read("parquet", tmp_path)
    assert decoded.is_test is not None
    assert decoded.is_test.tolist() == [False, False, True, True]
    write_parquet(tmp_path / "other/train/0000.parquet", random_pixels(2, 1, 4, 4), [0, 1])
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
    write_parquet(tmp_path / "a.parquet", random_pixels(3, 1, 4, 4), labels, metadata=None)
    source = opened("parquet", tmp_path)
    assert source.classes == classes
    assert source.read(silent).labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("label", [-1, 2, None])
def test_a_label_out_of_range_is_named_with_its_row(label: int | None, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", random_pixels(3, 1, 4, 4), pa.array([0, 1, label]))
    refused(
        "parquet",
        tmp_path,
        "a.parquet: row 2",
        "no label" if label is None else f"label {label} is out of range",
    )


def test_files_with_different_class_names_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", random_pixels(2, 1, 4, 4), [0, 1])
    turned = {"info": {"features": {"label": {"names": ["bee", "ant"], "_type": "ClassLabel"}}}}
    write_parquet(tmp_path / "test.parquet", random_pixels(2, 1, 4, 4), [0, 1], metadata=turned)
    refused("parquet", tmp_path, "test.parquet", "class names", "train.parquet")


def test_ambiguous_columns_are_named(tmp_path: Path) -> None:
    images = [encode(image) for image in random_pixels(2, 1, 4, 4)]
    table = pa.table(
        {"photo": images, "mask": images[::-1], "coarse": [3, 4], "fine": [1, 0], "score": [0.5, 0.6]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    refused("parquet", tmp_path, "photo, mask", "data.image")
    refused("parquet", tmp_path, "coarse, fine", "data.label", image="photo")
    refused("parquet", tmp_path, "data.image", "no column 'phot'", '"photo"', image="phot")
    refused("parquet", tmp_path, "data.label", "'score'", "double", image="photo", label="score")
    decoded = read("parquet", tmp_path, image="photo", label="fine")
    assert decoded.labels.tolist() == [1, 0]
    assert np.array_equal(decoded.pixels, random_pixels(2, 1, 4, 4))


def test_a_table_without_images_or_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [0.5], "label": [1]}), tmp_path / "a.parquet")
    refused("parquet", tmp_path / "a.parquet", "image", "x (double)")
    write_parquet(tmp_path / "b.parquet", random_pixels(2, 1, 4, 4)[:0], pa.array([], pa.int64()))
    refused("parquet", tmp_path / "no rows")


def test_a_truncated_file_and_one_of_another_format_are_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "whole/train.parquet", random_pixels(2, 1, 4, 4), [0, 1])
    write_parquet(tmp_path / "whole/test.parquet", random_pixels(2, 1, 4, 4), [0, 1])
    truncate(tmp_path / "whole/test.parquet")
    refused("parquet", tmp_path / "whole", "test.parquet", "parquet file")
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    refused("parquet", tmp_path / "text.parquet", "text.parquet", "parquet file")


def test_a_parquet_file_with_damaged_content_is_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", random_pixels(40, 3, 16, 16), [0, 1] * 20)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[4:2000] = b"\xff" * 1996
    (tmp_path / "a.parquet").write_bytes(content)
    refused("parquet", tmp_path, "a.parquet", "parquet file")


def test_rows_without_an_image_are_unreadable(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": pa.array([encode(random_pixels(1, 1, 4, 4)[0]), None, b"no"], pa.binary()),
            "label": [0, 0, 1],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    refused("parquet", tmp_path, "a.parquet: row 1", "skip_bad")
    decoded = read("parquet", tmp_path, skip_bad=True)
    assert len(decoded.pixels) == 1
    assert [bad.split(": ")[1] for bad in decoded.skipped] == ["row 1", "row 2"]
