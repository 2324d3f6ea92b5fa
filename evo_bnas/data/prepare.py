"""Everything about a data set that may be refused: its files, its images, its parts; without torch."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from evo_bnas.data import cache
from evo_bnas.data.settings import Data
from evo_bnas.data.source import Raw, Source, open_source
from evo_bnas.data.split import Parts, split
from evo_bnas.progress import Report


class Prepared(NamedTuple):
    """A data set, decoded and divided."""

    source: Source
    raw: Raw
    parts: Parts
    fingerprint: str  # of pixels, labels and parts


def prepare(settings: Data, seed: int, kept: Path | None, report: Report) -> Prepared:
    """Decode and divide a data set.

    Decoded images are kept in the folder `kept` and read from there the next time, unless the files that
    they come from have changed. Raises UsageError where the data set is missing or something is wrong with
    it; nothing is then kept.
    """
    source = open_source(settings)
    if kept is None or source.state is None:
        raw = source.read(report)
        return _divided(settings, seed, source, raw, cache.digest(raw.pixels))
    with cache.locked(kept):
        found = cache.load(kept, source.state)
        if found is None:
            raw = source.read(report)
            _divided(settings, seed, source, raw, digest="")
            cache.keep(raw, source.state, kept)
            found = cache.load(kept, source.state)
            assert found is not None, f"{kept} was filled"
    return _divided(settings, seed, source, *found)


def _divided(settings: Data, seed: int, source: Source, raw: Raw, digest: str) -> Prepared:
    parts = split(
        raw.labels,
        source.classes,
        seed,
        test=raw.test,
        search_share=settings.search_share,
        test_share=settings.test_share,
    )
    hashed = sha256(digest.encode())
    for numbers in (raw.labels, *parts):
        hashed.update(len(numbers).to_bytes(8, "little"))
        hashed.update(numbers.astype("<i8").tobytes())
    return Prepared(source, raw, parts, hashed.hexdigest()[:16])
