"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 32×32 colour images, 50,000 to train and 10,000 to test.

They are read from the official binary archive, in which an image is its labels (a byte each) and 3×32×32
bytes, or from parquet files. The archive for Python is refused: its files are pickles, and reading a pickle
can run any code.
"""

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data.paths import data_path, files_hash, find_files
from evo_bnas.data.readers import parquet
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import DecodedImages, Source
from evo_bnas.errors import UsageError
from evo_bnas.progress import Progress, Report

IMAGE = (3, 32, 32)
_BYTES = 3 * 32 * 32
_MAX_IMAGES = 50_000  # in a file
_SUFFIXES = (".tar.gz", ".tgz", ".tar")


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the two data sets."""

    name: str  # in recipes
    title: str
    classes: tuple[str, ...]
    labels: int  # label bytes of an image; the last one is its class
    folder: str  # in the binary archive
    train: tuple[str, ...]  # files in that folder
    test: str
    pickles: tuple[str, ...]  # files in the archive for Python

    @property
    def files(self) -> tuple[str, ...]:
        return *self.train, self.test

    @property
    def stem(self) -> str:
        """What the names of the archives start with."""
        return self.title.lower()

    @property
    def record(self) -> int:
        """Bytes of an image and its labels."""
        return self.labels + _BYTES


CIFAR10 = Variant(
    "cifar10",
    "CIFAR-10",
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    1,
    "cifar-10-batches-bin",
    tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test_batch.bin",
    (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
)
# fmt: off
CIFAR100 = Variant(
    "cifar100",
    "CIFAR-100",
    (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
        "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
        "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup",
        "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house",
        "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man",
        "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter",
        "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum",
        "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
        "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper",
        "table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle",
        "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    ),
    2,  # coarse label, fine label
    "cifar-100-binary",
    ("train.bin",),
    "test.bin",
    ("train", "test", "meta"),
)
# fmt: on


def open_variant(settings: DataSettings, variant: Variant) -> Source:
    """The data set in a folder or file; raises UsageError if it is not there."""
    root = data_path(settings)
    if root.suffix == ".parquet" or (root.is_dir() and find_files(root, (".parquet",))):
        return _open_parquet(settings, variant)
    place = find_archive(root, variant)
    if place is None:
        paths = [root] if root.is_file() else [*root.iterdir(), *root.glob("*/*")]
        raise _missing(f"data.path {settings.path}", {path.name for path in paths}, variant)
    if place.is_dir() and not all((place / name).exists() for name in variant.files):
        raise _missing(str(place), {path.name for path in place.iterdir()}, variant)
    files = [place / name for name in variant.files] if place.is_dir() else [place]

    def read(report: Report) -> DecodedImages:
        return _read(place, variant, report)

    file_hash = files_hash(root, files, settings)
    return Source(IMAGE, variant.classes, read, files_hash=file_hash, files=len(files))


def find_archive(root: Path, variant: Variant) -> Path | None:
    """The binary archive in a folder, or the folder where it was unpacked; None if there is neither."""
    if root.is_file():
        return root if root.name.endswith(_SUFFIXES) else None
    for folder in (root, root / variant.folder):
        if any((folder / name).exists() for name in variant.files):
            return folder
    archives = (root / f"{variant.stem}-binary{suffix}" for suffix in _SUFFIXES)
    return next((path for path in archives if path.exists()), None)


def _open_parquet(settings: DataSettings, variant: Variant) -> Source:
    label = "fine_label" if variant is CIFAR100 else None
    source = parquet.open_source(settings.model_copy(update={"name": "parquet", "label": label}))
    if source.image != IMAGE or len(source.classes) != len(variant.classes):
        channels, height, width = source.image
        raise UsageError(
            f"data.path {settings.path}: is not {variant.title}: it has {len(source.classes)} classes of "
            f"images of {channels}×{height}×{width}; for another data set use data.name: parquet"
        )
    return source


def _missing(where: str, names: set[str], variant: Variant) -> UsageError:
    """Why files with these names are not the complete binary archive."""
    absent = [name for name in variant.files if name not in names]
    if len(absent) < len(variant.files):
        return UsageError(f"{where}: {', '.join(absent)} missing; download and unpack the whole archive")
    other = CIFAR100 if variant is CIFAR10 else CIFAR10
    if other.test in names or f"{other.stem}-binary.tar.gz" in names:
        return UsageError(f"{where}: contains {other.title}; use data.name: {other.name}")
    if set(variant.pickles) <= names or f"{variant.stem}-python.tar.gz" in names:
        return UsageError(
            f"{where}: is the archive for Python, whose files are pickles and can run any code when they are "
            f"read; use {variant.stem}-binary.tar.gz or parquet files"
        )
    return UsageError(
        f"{where}: does not contain {variant.title}; give {variant.stem}-binary.tar.gz, the folder with "
        f"{variant.test}, or a folder of parquet files"
    )


def _read(place: Path, variant: Variant, report: Report) -> DecodedImages:
    records = {}
    for name, content in _contents(place, variant):
        records[name] = _records(content, f"{place}: {name}", variant)
        report(Progress("images", len(records), len(variant.files), "files"))
    counts = [len(records[name]) for name in variant.files]
    ends = np.cumsum(counts)
    pixels = np.empty((ends[-1], *IMAGE), np.uint8)
    labels = np.empty(ends[-1], np.int64)
    for name, count, end in zip(variant.files, counts, ends, strict=True):
        rows = records.pop(name)
        labels[end - count : end] = rows[:, variant.labels - 1]
        pixels[end - count : end] = rows[:, variant.labels :].reshape(-1, *IMAGE)

    def name_of(number: int) -> str:
        file = int(np.searchsorted(ends, number, side="right"))
        return f"{variant.files[file]}: image {number - ends[file] + counts[file]}"

    return DecodedImages(pixels, labels, np.arange(len(labels)) >= ends[-2], name=name_of)


def _records(content: bytes, where: str, variant: Variant) -> NDArray[np.uint8]:
    """Images, each after its labels; raises UsageError if they cannot belong to the data set."""
    if not content or len(content) % variant.record:
        raise UsageError(
            f"{where}: has {len(content):,} bytes, not a multiple of the {variant.record:,} bytes of an "
            f"image of {variant.title}; it is incomplete, or another file"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, variant.record)
    highest = rows[:, variant.labels - 1].max()
    if highest >= len(variant.classes):
        raise UsageError(
            f"{where}: label {highest} is out of range; {variant.title} has {len(variant.classes)} classes"
        )
    return rows


def _contents(place: Path, variant: Variant) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files in a folder or archive; an archive is unpacked in memory only."""
    if place.is_dir():
        for name in variant.files:
            with (place / name).open("rb") as file:
                yield name, _content(file, f"{place}: {name}", variant)
        return
    names = set()
    try:
        with tarfile.open(place) as archive:
            for member in archive:
                name = Path(member.name).name
                names.add(name)
                if member.isfile() and name in variant.files:
                    inner = archive.extractfile(member)
                    assert inner is not None, "a regular file has content"
                    yield name, _content(inner, f"{place}: {name}", variant)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as failure:
        reason = str(failure).splitlines()[0].removesuffix(":")
        raise UsageError(f"{place}: is not a complete tar archive ({reason}); download it again") from None
    if not set(variant.files) <= names:
        raise _missing(str(place), names, variant)


def _content(file: IO[bytes], where: str, variant: Variant) -> bytes:
    content = file.read(_MAX_IMAGES * variant.record + 1)
    if len(content) > _MAX_IMAGES * variant.record:
        raise UsageError(f"{where}: is larger than any file of {variant.title}")
    return content
