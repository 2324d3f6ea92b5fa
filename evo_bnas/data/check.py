"""What a data set is, and what is wrong with it, before anything is trained."""

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data.decode import Shape
from evo_bnas.data.moments import moments
from evo_bnas.data.prepare import divide
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Raw, Source, open_source
from evo_bnas.data.split import Parts
from evo_bnas.errors import UsageError
from evo_bnas.progress import Report, silent
from evo_bnas.space import catalogue


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Pairs of images whose decoded pixels are equal, as a person calls them."""

    within: tuple[tuple[str, str], ...]  # an image and the first like it in the same part
    between: tuple[tuple[str, str], ...]  # an image that trains and one that tests


@dataclass(frozen=True, eq=False, slots=True)
class Checked:
    """What was found."""

    settings: DataSettings  # with what had to be assumed to go on
    source: Source
    raw: Raw
    shapes: Counter[Shape]  # how many images have which shape in their files
    parts: Parts | None  # unless there are too few images
    mean: tuple[float, ...]  # of the raw pixels of the train part, per channel
    std: tuple[float, ...]
    duplicates: Duplicates
    spaces: tuple[str, ...]  # shipped ones that take the images
    wrong: tuple[str, ...]  # what would stop a run

    def counts(self) -> dict[str, tuple[int, ...]]:
        """For each class, how many images the parts have, and all together."""
        parts = self.parts or ()
        labels = [*(self.raw.labels[part] for part in parts), self.raw.labels]
        rows = np.stack([np.bincount(part, minlength=len(self.source.classes)) for part in labels], axis=1)
        return dict(zip(self.source.classes, map(tuple, rows.tolist()), strict=True))


def check(
    settings: DataSettings, seed: int = 0, space: str | None = None, report: Report = silent
) -> Checked:
    """Decode all images and look at them; `space` is the one that a recipe would use.

    Problems with single images are collected. Raises UsageError if no image can be read at all.
    """
    wrong = []
    may_skip = settings.skip_bad
    settings = settings.model_copy(update={"skip_bad": True})
    source = open_source(settings)
    shapes = source.survey(report) if source.survey else Counter()
    sizes = _sizes(shapes)
    channels = Counter(shape[0] for shape in shapes.elements())
    if settings.size is None and len(sizes) > 1:
        size = sizes.most_common(1)[0][0]
        settings = settings.model_copy(update={"size": size})
        wrong.append(
            f"images have {len(sizes):,} sizes; give data.size (--size), to which all are scaled and cut. "
            f"The figures here are for the most frequent, {_by(size)}"
        )
    if settings.channels is None and len(channels) > 1:
        settings = settings.model_copy(update={"channels": 3})
        wrong.append(
            f"{channels[1]:,} are grey and {channels[3]:,} coloured; give data.channels (--channels), "
            "1 or 3, to which all are converted. The figures here are for 3"
        )
    source = open_source(settings)
    raw = source.read(report)
    if raw.skipped and not may_skip:
        wrong.append(
            f"{len(raw.skipped):,} of {len(raw.skipped) + len(raw.labels):,} images cannot be read; mend "
            "them, or leave them out with skip_bad: true (--skip-bad)"
        )
    try:
        parts = divide(settings, seed, source, raw)
    except UsageError as failure:
        parts = None
        wrong.append(str(failure))
    mean, std = moments(raw.pixels, np.arange(len(raw.labels)) if parts is None else parts.train)
    tested = np.zeros(len(raw.labels), np.bool_) if raw.test is None else raw.test.copy()
    if parts is not None:
        tested[parts.test] = True
    return Checked(
        settings,
        source,
        raw,
        shapes or Counter({source.image: len(raw.labels)}),
        parts,
        tuple(mean.tolist()),
        tuple(std.tolist()),
        _duplicates(raw, tested),
        tuple(fitting.name for fitting in catalogue.taking(source.image, len(source.classes))),
        (*wrong, *_misfit(space, source)),
    )


def _sizes(shapes: Counter[Shape]) -> Counter[tuple[int, int]]:
    sizes: Counter[tuple[int, int]] = Counter()
    for (_, height, width), count in shapes.items():
        sizes[height, width] += count
    return sizes


def _duplicates(raw: Raw, tested: NDArray[np.bool_]) -> Duplicates:
    first: dict[tuple[bytes, bool], int] = {}
    within = []
    for number, pixels in enumerate(raw.pixels):
        digest = blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()
        earlier = first.setdefault((digest, bool(tested[number])), number)
        if earlier != number:
            within.append((raw.name(earlier), raw.name(number)))
    between = [
        (raw.name(first[digest, False]), raw.name(number))
        for (digest, test), number in first.items()
        if test and (digest, False) in first
    ]
    return Duplicates(tuple(within), tuple(between))


def _misfit(space: str | None, source: Source) -> list[str]:
    """Why the space of a recipe does not take the images, if it does not."""
    if space is None:
        return []
    try:
        catalogue.load(space).fit(source.image, len(source.classes))
    except (UsageError, ValueError) as failure:
        return [str(failure)]
    return []


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
