"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 32 x 32 colour images, 50,000 to train and 10,000 to test.

They are read from the official archive for C, where an image is its labels, a byte each, and 3 x 32 x 32
bytes; or from parquet files. The archive for Python holds pickles: reading one runs what it says, so it is
refused.
"""

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data import files
from evo_bnas.data.readers import parquet
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Raw, Source
from evo_bnas.errors import UsageError
from evo_bnas.progress import Progress, Report

IMAGE = (3, 32, 32)
_BYTES = 3 * 32 * 32
_MOST = 50_000  # images in a file
_SUFFIXES = (".tar.gz", ".tgz", ".tar")


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the two data sets."""

    name: str  # as in a recipe
    title: str
    classes: tuple[str, ...]
    labels: int  # bytes before the pixels; the last one counts
    folder: str  # of the archive for C
    train: tuple[str, ...]  # its files
    test: str
    pickles: tuple[str, ...]  # files of the archive for Python

    @property
    def files(self) -> tuple[str, ...]:
        return *self.train, self.test

    @property
    def stem(self) -> str:
        """How the names of its archives begin."""
        return self.title.lower()

    @property
    def record(self) -> int:
        """Bytes of an image with its labels."""
        return self.labels + _BYTES


TEN = Variant(
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
HUNDRED = Variant(
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
    2,  # the coarse label, then the fine one
    "cifar-100-binary",
    ("train.bin",),
    "test.bin",
    ("train", "test", "meta"),
)
# fmt: on


def open_variant(settings: DataSettings, variant: Variant) -> Source:
    """The data set in the folder or file of the settings; raises UsageError where it is not there."""
    root = files.root(settings)
    if root.suffix == ".parquet" or (root.is_dir() and files.below(root, (".parquet",))):
        return _in_parquet(settings, variant)
    place = archive(root, variant)
    if place is None:
        names = (
            {root.name} if root.is_file() else {path.name for path in (*root.iterdir(), *root.glob("*/*"))}
        )
        raise _missing(f"data.path {settings.path}", names, variant)
    if place.is_dir() and not all((place / name).exists() for name in variant.files):
        raise _missing(str(place), {path.name for path in place.iterdir()}, variant)
    paths = [place / name for name in variant.files] if place.is_dir() else [place]

    def read(report: Report) -> Raw:
        return _read(place, variant, report)

    return Source(IMAGE, variant.classes, read, state=files.state(root, paths, settings), files=len(paths))


def archive(root: Path, variant: Variant) -> Path | None:
    """The archive for C in a folder, or the folder where it was unpacked, if there is either."""
    if root.is_file():
        return root if root.name.endswith(_SUFFIXES) else None
    for folder in (root, root / variant.folder):
        if any((folder / name).exists() for name in variant.files):
            return folder
    packed = (root / f"{variant.stem}-binary{suffix}" for suffix in _SUFFIXES)
    return next((path for path in packed if path.exists()), None)


def _in_parquet(settings: DataSettings, variant: Variant) -> Source:
    label = "fine_label" if variant is HUNDRED else None
    found = parquet.open_source(settings.model_copy(update={"name": "parquet", "label": label}))
    if found.image != IMAGE or len(found.classes) != len(variant.classes):
        channels, height, width = found.image
        raise UsageError(
            f"data.path {settings.path}: is not {variant.title}: {len(found.classes)} classes of images of "
            f"{channels}×{height}×{width}; for another data set say data.name: parquet"
        )
    return found


def _missing(where: str, names: set[str], variant: Variant) -> UsageError:
    """Why files of these names are not the archive for C."""
    absent = [name for name in variant.files if name not in names]
    if len(absent) < len(variant.files):
        return UsageError(f"{where}: {', '.join(absent)} is missing; fetch and unpack the whole archive")
    other = HUNDRED if variant is TEN else TEN
    if other.test in names or f"{other.stem}-binary.tar.gz" in names:
        return UsageError(f"{where}: holds {other.title}; say data.name: {other.name}")
    if set(variant.pickles) <= names or f"{variant.stem}-python.tar.gz" in names:
        return UsageError(
            f"{where}: holds the archive for Python, whose files are pickles; reading one can run anything, "
            f"so none is read. Take {variant.stem}-binary.tar.gz, or parquet files"
        )
    return UsageError(
        f"{where}: holds no {variant.title}; give the folder of {variant.test}, "
        f"{variant.stem}-binary.tar.gz, or a folder of parquet files"
    )


def _read(place: Path, variant: Variant, report: Report) -> Raw:
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

    def called(number: int) -> str:
        file = int(np.searchsorted(ends, number, side="right"))
        return f"{variant.files[file]}: image {number - ends[file] + counts[file]}"

    return Raw(pixels, labels, np.arange(len(labels)) >= ends[-2], name=called)


def _records(content: bytes, where: str, variant: Variant) -> NDArray[np.uint8]:
    """Images with their labels before them; raises UsageError where they cannot be this data set's."""
    if not content or len(content) % variant.record:
        raise UsageError(
            f"{where}: has {len(content):,} bytes, which are no whole images of {variant.record:,} bytes; "
            f"it is cut off, or not of {variant.title}"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, variant.record)
    highest = rows[:, variant.labels - 1].max()
    if highest >= len(variant.classes):
        raise UsageError(
            f"{where}: label {highest} is out of range; {variant.title} has {len(variant.classes)} classes"
        )
    return rows


def _contents(place: Path, variant: Variant) -> Iterator[tuple[str, bytes]]:
    """The files by name, from a folder, or from an archive, in memory: nothing is unpacked to the disk."""
    if place.is_dir():
        for name in variant.files:
            with (place / name).open("rb") as file:
                yield name, _content(file, f"{place}: {name}", variant)
        return
    names = set()
    try:
        with tarfile.open(place) as opened:
            for member in opened:
                name = Path(member.name).name
                names.add(name)
                if member.isfile() and name in variant.files:
                    inner = opened.extractfile(member)
                    assert inner is not None, "a file has content"
                    yield name, _content(inner, f"{place}: {name}", variant)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as failure:
        reason = str(failure).splitlines()[0].removesuffix(":")
        raise UsageError(f"{place}: is no whole tar archive ({reason}); fetch it again") from None
    if not set(variant.files) <= names:
        raise _missing(str(place), names, variant)


def _content(file: IO[bytes], where: str, variant: Variant) -> bytes:
    content = file.read(_MOST * variant.record + 1)
    if len(content) > _MOST * variant.record:
        raise UsageError(f"{where}: is larger than any file of {variant.title}")
    return content
