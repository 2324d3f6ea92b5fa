"""Small data sets, written in every format that a reader reads."""

import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from evo_bnas.data.cifar import Variant
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import DecodedImages, Source, open_source
from evo_bnas.errors import UsageError
from evo_bnas.progress import silent

Pixels = NDArray[np.uint8]  # images, channels, height, width

CLASS_NAMES = {
    "info": {
        "features": {"img": {"_type": "Image"}, "label": {"names": ["ant", "bee"], "_type": "ClassLabel"}}
    }
}


def random_pixels(count: int, *image: int) -> Pixels:
    """Random images of this shape, the same for the same count."""
    return np.random.default_rng(count).integers(0, 256, (count, *image), dtype=np.uint8)


def as_image(pixels: Pixels) -> Image.Image:
    """One image (channels, height, width) for Pillow."""
    channels_last = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    return Image.fromarray(channels_last[:, :, 0] if len(pixels) == 1 else channels_last)


def encode(pixels: Pixels, form: str = "PNG") -> bytes:
    """The content of an image file."""
    file = io.BytesIO()
    as_image(pixels).save(file, form)
    return file.getvalue()


def write_folder(folder: Path, pixels: Pixels, labels: list[str]) -> None:
    """Write FOLDER/LABEL/NUMBER.png."""
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        as_image(image).save(folder / label / f"{number:03}.png")


def write_parquet(file: Path, pixels: Pixels, labels: object, *, metadata: object = CLASS_NAMES) -> None:
    """Write a parquet file as the `datasets` library does; `labels` is a column."""
    structs = [{"bytes": encode(image), "path": None} for image in pixels]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"img": pa.array(structs, kind), "label": labels})
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file)


def idx_content(values: NDArray[np.uint8]) -> bytes:
    """The content of an idx file."""
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.tobytes()


def write_idx(folder: Path, pixels: Pixels, labels: list[int], prefix: str = "train") -> None:
    """Write the idx files of images and labels."""
    channels_last = pixels.transpose(0, 2, 3, 1)
    values = channels_last[..., 0] if pixels.shape[1] == 1 else channels_last
    (folder / f"{prefix}-images-idx{values.ndim}-ubyte").write_bytes(idx_content(values))
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_content(np.array(labels, np.uint8)))


def cifar_files(variant: Variant, each: int = 12) -> tuple[dict[str, bytes], Pixels, NDArray[np.int64]]:
    """The files of a binary archive with `each` images in a file; then its images and labels."""
    count = each * len(variant.files)
    pixels = random_pixels(count, 3, 32, 32)
    labels = np.arange(count) % len(variant.classes)
    label_bytes = np.zeros((count, variant.labels), np.uint8)
    label_bytes[:, -1] = labels
    rows = np.concatenate([label_bytes, pixels.reshape(count, -1)], axis=1)
    files = rows.reshape(-1, each, variant.record)
    return {name: part.tobytes() for name, part in zip(variant.files, files, strict=True)}, pixels, labels


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def write_archive(file: Path, folder: str, files: dict[str, bytes]) -> None:
    """Write files into a folder of a tar archive."""
    with tarfile.open(file, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def truncate(file: Path) -> None:
    """Damage a file by cutting it off."""
    file.write_bytes(file.read_bytes()[:60])


def opened(name: str, path: Path, **settings: object) -> Source:
    """The source that the reader of this name opens."""
    return open_source(DataSettings.model_validate({"name": name, "path": str(path), **settings}))


def read(name: str, path: Path, **settings: object) -> DecodedImages:
    """The decoded images of a source."""
    return opened(name, path, **settings).read(silent)


def refused(name: str, path: Path, *words: str, **settings: object) -> None:
    """Check that reading fails with an error that contains all these words."""
    with pytest.raises(UsageError) as failure:
        read(name, path, **settings)
    for word in words:
        assert word in str(failure.value)
