"""CIFAR-10 and CIFAR-100: archives, parquet files, and files that are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evo_bnas.data.cifar import CIFAR10, CIFAR100, Variant
from evo_bnas.progress import silent
from tests.support.datasets import (
    cifar_files,
    encode,
    opened,
    random_pixels,
    read,
    refused,
    write_archive,
    write_files,
    write_parquet,
)

VARIANTS = pytest.mark.parametrize("variant", [CIFAR10, CIFAR100], ids=["cifar10", "cifar100"])


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
        decoded = source.read(silent)
        assert (source.image, source.classes) == ((3, 32, 32), variant.classes)
        assert np.array_equal(decoded.pixels, pixels)
        assert np.array_equal(decoded.labels, labels)
        assert decoded.is_test is not None
        assert decoded.is_test.tolist() == [False] * (len(labels) - 60) + [True] * 60
        assert decoded.name(len(labels) - 1) == f"{variant.test}: image 59"
    assert list(archive.parent.iterdir()) == [archive]


@VARIANTS
def test_the_other_cifar_variant_is_recognised(variant: Variant, tmp_path: Path) -> None:
    other = CIFAR100 if variant is CIFAR10 else CIFAR10
    files, _, _ = cifar_files(other)
    write_files(tmp_path / "files", files)
    write_archive(tmp_path / "some.tar.gz", other.folder, files)
    for place in (tmp_path / "files", tmp_path / "some.tar.gz"):
        refused(variant.name, place, other.title, f"data.name: {other.name}")


@VARIANTS
def test_pickles_are_refused_with_the_reason(variant: Variant, tmp_path: Path) -> None:
    files = dict.fromkeys(variant.pickles, b"cos\nsystem\n(S'touch executed'\ntR.")
    write_files(tmp_path / "python", files)
    write_archive(tmp_path / "some.tar.gz", "python", files)
    for place in (tmp_path / "python", tmp_path / "some.tar.gz"):
        refused(variant.name, place, "pickles", f"{variant.stem}-binary.tar.gz")


def _cut(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"test_batch.bin": files["test_batch.bin"][:-1]}


def _empty(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"data_batch_2.bin": b""}


def _label(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"data_batch_4.bin": b"\x0a" + files["data_batch_4.bin"][1:]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_cut, ("test_batch.bin", "36,875 bytes", "3,073 bytes")),
        (_empty, ("data_batch_2.bin", "0 bytes")),
        (_label, ("data_batch_4.bin", "label 10 is out of range", "10 classes")),
    ],
)
def test_a_damaged_file_of_an_archive_is_named(
    change: Callable[[dict[str, bytes]], dict[str, bytes]], words: tuple[str, ...], tmp_path: Path
) -> None:
    files = change(cifar_files(CIFAR10)[0])
    write_files(tmp_path / "files", files)
    write_archive(tmp_path / "some.tar.gz", CIFAR10.folder, files)
    refused("cifar10", tmp_path / "files", *words)
    refused("cifar10", tmp_path / "some.tar.gz", *words)


def test_missing_files_and_truncated_archives_are_named(tmp_path: Path) -> None:
    files, _, _ = cifar_files(CIFAR10)
    write_archive(tmp_path / "some.tar.gz", CIFAR10.folder, files)
    whole = (tmp_path / "some.tar.gz").read_bytes()
    (tmp_path / "some.tar.gz").write_bytes(whole[: len(whole) // 2])
    refused("cifar10", tmp_path / "some.tar.gz", "some.tar.gz", "tar archive")
    (tmp_path / "text.tar.gz").write_text("no archive")
    refused("cifar10", tmp_path / "text.tar.gz", "text.tar.gz", "tar archive (")
    del files["data_batch_3.bin"]
    write_files(tmp_path / "files", files)
    refused("cifar10", tmp_path / "files", "data_batch_3.bin", "missing")
    write_archive(tmp_path / "less.tar.gz", CIFAR10.folder, files)
    refused("cifar10", tmp_path / "less.tar.gz", "data_batch_3.bin", "missing")


def test_cifar_is_read_from_parquet_files_but_another_data_set_is_refused(tmp_path: Path) -> None:
    names = {"info": {"features": {"label": {"names": list(CIFAR10.classes), "_type": "ClassLabel"}}}}
    pixels = random_pixels(10, 3, 32, 32)
    write_parquet(tmp_path / "ten/train.parquet", pixels, list(range(10)), metadata=names)
    assert np.array_equal(read("cifar10", tmp_path / "ten").pixels, pixels)
    write_parquet(tmp_path / "two/train.parquet", pixels, [0, 1] * 5)
    refused("cifar10", tmp_path / "two", "not CIFAR-10", "2 classes", "parquet")


def test_cifar100_uses_the_fine_labels(tmp_path: Path) -> None:
    feature = {"names": list(CIFAR100.classes), "_type": "ClassLabel"}
    features = {"fine_label": feature, "coarse_label": feature | {"names": ["fish", "flowers"]}}
    images = [encode(image) for image in random_pixels(2, 3, 32, 32)]
    table = pa.table({"img": images, "fine_label": [99, 0], "coarse_label": [1, 0]})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "train.parquet")
    source = opened("cifar100", tmp_path)
    assert source.classes == CIFAR100.classes
    assert source.read(silent).labels.tolist() == [99, 0]
