"""idx files, and files that are refused."""

import gzip
import struct
from pathlib import Path

import numpy as np

from evo_bnas.progress import silent
from tests.support.datasets import (
    idx_content,
    opened,
    random_pixels,
    refused,
    write_idx,
)


def test_idx_files_may_be_compressed_and_have_a_test_split(tmp_path: Path) -> None:
    pixels = random_pixels(5, 3, 4, 6)
    write_idx(tmp_path, pixels[:3], [4, 0, 9])
    write_idx(tmp_path, pixels[3:], [9, 4], "t10k")
    for file in list(tmp_path.iterdir())[::2]:
        (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    source = opened("idx", tmp_path)
    assert (source.image, source.classes, source.files) == ((3, 4, 6), ("0", "4", "9"), 4)
    decoded = source.read(silent)
    assert np.array_equal(decoded.pixels, pixels)
    assert decoded.labels.tolist() == [1, 0, 2, 2, 1]
    assert decoded.is_test is not None
    assert decoded.is_test.tolist() == [False, False, False, True, True]


def test_damaged_idx_files_are_named(tmp_path: Path) -> None:
    def written(name: str, **changed: bytes) -> Path:
        path = tmp_path / name
        path.mkdir()
        write_idx(path, random_pixels(4, 1, 3, 3), [0, 1, 0, 1])
        for file, content in changed.items():
            (path / file.replace("_", "-")).write_bytes(content)
        return path

    images, labels = "train_images_idx3_ubyte", "train_labels_idx1_ubyte"
    pixels = random_pixels(4, 3, 3)
    refused("idx", written("cut", **{images: idx_content(pixels)[:-1]}), "train-images", "4×3×3", "only 35")
    refused("idx", written("long", **{images: idx_content(pixels) + b"!"}), "train-images", "4×3×3", "more")
    refused("idx", written("kind", **{images: b"\x89PNG\r\n"}), "train-images", "89 50 4e 47")
    refused("idx", written("head", **{images: idx_content(pixels)[:6]}), "train-images", "header")
    refused("idx", written("few", **{labels: idx_content(np.zeros(3, np.uint8))}), "3 labels for 4 images")
    refused(
        "idx",
        written("none", **{images: idx_content(pixels[:0]), labels: idx_content(np.zeros(0, np.uint8))}),
        "no images",
    )
    refused("idx", written("two", **{images: idx_content(random_pixels(4, 3, 3, 2))}), "2 channels")

    def head(*sizes: int) -> bytes:
        return bytes((0, 0, 8, 3)) + struct.pack(">3I", *sizes) + bytes(36)

    refused("idx", written("flat", **{images: head(4, 0, 0)}), "train-images", "0×0")
    for name, side in (("vast", 2**20), ("wider", 2**31)):
        refused("idx", written(name, **{images: head(4, side, side)}), f"4×{side}×{side}", "only 36")
    packed = written("packed")
    (packed / "train-labels-idx1-ubyte").unlink()
    refused("idx", packed, "train-labels-idx1-ubyte", ".gz")
    (packed / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    refused("idx", packed, "train-labels-idx1-ubyte.gz", "idx file")
    other = written("other")
    write_idx(other, random_pixels(2, 1, 3, 4), [0, 1], "t10k")
    refused("idx", other, "t10k-images", "3×4", "3×3")
    refused("idx", other / "train-images-idx3-ubyte", "is a file")
