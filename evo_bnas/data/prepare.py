"""Decode and split a data set: everything about it that can be refused, without torch."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data.cache import CachedImages, cached, pixel_digest
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import DecodedImages, Source, open_source
from evo_bnas.data.split import Splits, split
from evo_bnas.progress import Report


class PreparedData(NamedTuple):
    """A data set, decoded and split."""

    source: Source
    images: DecodedImages
    splits: Splits
    fingerprint: str  # hash of pixels, labels and splits


def prepare(settings: DataSettings, seed: int, cache: Path | None, report: Report) -> PreparedData:
    """Decode and split a data set.

    If a folder is given as `cache`, decoded images are stored there, and read from there next time unless
    their files have changed. Raises UsageError if the data set is missing or unusable; then nothing is
    stored.
    """
    source = open_source(settings)

    def decode() -> DecodedImages:
        images = source.read(report)
        split(images, source.classes, settings, seed)  # refuse unusable images before they are stored
        return images

    if cache is None or source.files_hash is None:
        decoded = decode()
        images, digest = CachedImages(decoded, pixel_digest(decoded.pixels))
    else:
        images, digest = cached(cache, source.files_hash, decode)
    splits = split(images, source.classes, settings, seed)
    return PreparedData(source, images, splits, _fingerprint(digest, images.labels, splits))


def _fingerprint(digest: str, labels: NDArray[np.int64], splits: Splits) -> str:
    hashed = sha256(digest.encode())
    for numbers in (labels, *splits):
        hashed.update(len(numbers).to_bytes(8, "little"))
        hashed.update(numbers.astype("<i8").tobytes())
    return hashed.hexdigest()[:16]
