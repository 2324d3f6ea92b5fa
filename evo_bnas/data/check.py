"""Check a data set before anything is trained: its contents, and problems that would stop a run."""

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from evo_bnas.data.decode import Shape
from evo_bnas.data.normalisation import mean_and_std
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import DecodedImages, Source, open_source
from evo_bnas.data.split import Splits, split
from evo_bnas.errors import UsageError
from evo_bnas.progress import Report, silent
from evo_bnas.space import catalogue


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Pairs of names of images whose decoded pixels are equal."""

    within: tuple[tuple[str, str], ...]  # in the same split: the first image, and a later one
    between: tuple[tuple[str, str], ...]  # a training image, and a test image


@dataclass(frozen=True, eq=False, slots=True)
class CheckedData:
    """A decoded data set and its problems."""

    settings: DataSettings  # with values that were assumed in order to continue
    source: Source
    images: DecodedImages
    shapes: Counter[Shape]  # of the images in the files
    splits: Splits | None  # None if a class has too few images
    mean: tuple[float, ...]  # of the pixels of the train split, per channel
    std: tuple[float, ...]
    duplicates: Duplicates
    spaces: tuple[str, ...]  # shipped ones for images of this shape
    problems: tuple[str, ...]  # what would stop a run

    def counts(self) -> dict[str, tuple[int, ...]]:
        """The number of images of each class: in each split, and in all."""
        splits = self.splits or ()
        labels = [*(self.images.labels[chosen] for chosen in splits), self.images.labels]
        rows = np.stack([np.bincount(part, minlength=len(self.source.classes)) for part in labels], axis=1)
        return dict(zip(self.source.classes, map(tuple, rows.tolist()), strict=True))


def check(
    settings: DataSettings, seed: int = 0, space: str | None = None, report: Report = silent
) -> CheckedData:
    """Decode and check all images; `space` is the one that a recipe would use.

    Collects problems instead of stopping at the first. Raises UsageError if no image can be read at all.
    """
    source = open_source(settings.model_copy(update={"skip_bad": True}))
    shapes = source.count_shapes(report) if source.count_shapes else Counter()
    assumed, problems = _assume_one_shape(settings, shapes)
    source = open_source(assumed)
    images = source.read(report)
    if images.skipped and not settings.skip_bad:
        problems.append(
            f"{len(images.skipped):,} of {len(images.skipped) + len(images.labels):,} images cannot be read; "
            "fix them, or skip them with skip_bad: true (--skip-bad)"
        )
    splits = None
    try:
        splits = split(images, source.classes, settings, seed)
    except UsageError as failure:
        problems.append(str(failure))
    mean, std = mean_and_std(images.pixels, splits.train if splits else np.arange(len(images.labels)))
    if space is not None:
        try:
            catalogue.load(space).fit(source.image, len(source.classes))
        except (UsageError, ValueError) as failure:
            problems.append(str(failure))
    return CheckedData(
        assumed,
        source,
        images,
        shapes or Counter({source.image: len(images.labels)}),
        splits,
        tuple(mean.tolist()),
        tuple(std.tolist()),
        _find_duplicates(images, splits),
        tuple(fitting.name for fitting in catalogue.taking(source.image, len(source.classes))),
        tuple(problems),
    )


def _assume_one_shape(settings: DataSettings, shapes: Counter[Shape]) -> tuple[DataSettings, list[str]]:
    """Settings with which all images can be decoded; returns them, and the keys that a recipe lacks."""
    problems = []
    assumed: dict[str, object] = {"skip_bad": True}
    sizes: Counter[tuple[int, int]] = Counter()
    channels: Counter[int] = Counter()
    for (depth, height, width), count in shapes.items():
        sizes[height, width] += count
        channels[depth] += count
    if settings.size is None and len(sizes) > 1:
        height, width = assumed["size"] = sizes.most_common(1)[0][0]
        problems.append(
            f"images have {len(sizes):,} sizes; set data.size (--size), to which all are scaled and cropped. "
            f"This report assumes the most frequent, {height}×{width}"
        )
    if settings.channels is None and len(channels) > 1:
        assumed["channels"] = 3
        problems.append(
            f"{channels[1]:,} images are greyscale and {channels[3]:,} are in colour; set data.channels "
            "(--channels) to 1 or 3, to which all are converted. This report assumes 3"
        )
    return settings.model_copy(update=assumed), problems


def _find_duplicates(images: DecodedImages, splits: Splits | None) -> Duplicates:
    is_test = np.zeros(len(images.labels), np.bool_) if images.is_test is None else images.is_test.copy()
    if splits:
        is_test[splits.test] = True
    first: dict[tuple[bytes, bool], int] = {}
    within = []
    for number, pixels in enumerate(images.pixels):
        digest = blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()
        earlier = first.setdefault((digest, bool(is_test[number])), number)
        if earlier != number:
            within.append((images.name(earlier), images.name(number)))
    between = [
        (images.name(first[digest, False]), images.name(number))
        for (digest, test), number in first.items()
        if test and (digest, False) in first
    ]
    return Duplicates(tuple(within), tuple(between))
