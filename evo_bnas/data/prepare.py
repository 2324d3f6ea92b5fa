"""Everything about a data set that may be refused: its files, its images, its parts; without torch."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data import cache
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Raw, Source, open_source
from evo_bnas.data.split import Parts, split
from evo_bnas.progress import Report


class Prepared(NamedTuple):
    """A data set, decoded and divided."""

    source: Source
    raw: Raw
    parts: Parts
    fingerprint: str  # of pixels, labels and parts


def prepare(settings: DataSettings, seed: int, kept: Path | None, report: Report) -> Prepared:
    """Decode and divide a data set.

    Decoded images are kept in the folder `kept` and read from there the next time, unless the files that
    they come from have changed. Raises UsageError where the data set is missing or something is wrong with
    it; nothing is then kept.
    """
    source = open_source(settings)
    if kept is None or source.state is None:
        raw = source.read(report)
        digest = cache.digest(raw.pixels)
    else:
        raw, digest = _from_folder(settings, seed, source, source.state, kept, report)
    parts = divide(settings, seed, source, raw)
    return Prepared(source, raw, parts, _fingerprint(digest, raw.labels, parts))


def divide(settings: DataSettings, seed: int, source: Source, raw: Raw) -> Parts:
    """The parts that the settings ask for; raises UsageError as `split` does."""
    return split(
        raw.labels,
        source.classes,
        seed,
        test=raw.test,
        search_share=settings.search_share,
        test_share=settings.test_share,
    )


def _from_folder(
    settings: DataSettings, seed: int, source: Source, state: str, kept: Path, report: Report
) -> tuple[Raw, str]:
    """The images and the digest of their pixels, decoded and kept where that is not done."""
    with cache.locked(kept):
        if found := cache.load(kept, state):
            return found
        raw = source.read(report)
        divide(settings, seed, source, raw)  # what is refused is not kept
        cache.keep(raw, state, kept)
        found = cache.load(kept, state)
        assert found is not None, f"{kept} was filled"
        return found


def _fingerprint(digest: str, labels: NDArray[np.int64], parts: Parts) -> str:
    hashed = sha256(digest.encode())
    for numbers in (labels, *parts):
        hashed.update(len(numbers).to_bytes(8, "little"))
        hashed.update(numbers.astype("<i8").tobytes())
    return hashed.hexdigest()[:16]
