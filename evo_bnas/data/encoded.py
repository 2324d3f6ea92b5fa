"""Data sets of encoded images, such as JPEG and PNG, which are decoded in parallel.

Pillow lets other threads run while it decodes. Only large images gain from that: a tiny one is mostly Python.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evo_bnas.data import decode
from evo_bnas.data.decode import ImageError, Shape
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import Raw, Source
from evo_bnas.errors import UsageError
from evo_bnas.machine import cores
from evo_bnas.progress import Progress, Report

_CHUNK = 256  # images that one thread takes at once
_AHEAD = 2  # chunks in memory for each thread

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False, slots=True)
class Encoded:
    """Images that are not decoded yet."""

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    test: NDArray[np.bool_] | None  # which images are published as the test part
    files: Callable[[], Iterator[Path | bytes]]  # in the order of the labels
    name: Callable[[int], str]  # what messages call an image, by its number
    count: int  # of files on the disk
    state: str  # of these


def source(encoded: Encoded, settings: DataSettings) -> Source:
    """The data set of encoded images.

    Where the settings leave size or channels open, the first image decides, and the others must be like it.
    Raises UsageError where no image can be read, or, unless bad ones may be skipped, where the first cannot.
    """
    image = _image(encoded, settings)

    def read(report: Report) -> Raw:
        return _read(encoded, image, settings, report)

    def survey(report: Report) -> Counter[Shape]:
        return _survey(encoded, report)

    return Source(image, encoded.classes, read, state=encoded.state, files=encoded.count, survey=survey)


@decode.quiet()
def _image(encoded: Encoded, settings: DataSettings) -> Shape:
    """Channels, height and width of the decoded images."""
    if settings.size and settings.channels:
        return settings.channels, *settings.size
    reason = ""
    for number, file in enumerate(encoded.files()):
        try:
            channels, *size = decode.shape(decode.upright(file))
        except ImageError as failure:
            if not settings.skip_bad:
                raise _bad(encoded.name(number), failure) from None
            reason = reason or f"{encoded.name(number)}: {failure}"
        else:
            height, width = settings.size or size
            return settings.channels or channels, height, width
    raise _all_bad(encoded, reason)


@decode.quiet()
def _read(encoded: Encoded, image: Shape, settings: DataSettings, report: Report) -> Raw:
    """Decode everything into one array; raises UsageError that names the first image that does not fit."""
    pixels = _room(len(encoded.labels), image)

    def fill(number: int, file: Path | bytes) -> str | None:
        try:
            picture = decode.upright(file)
        except ImageError as failure:
            if settings.skip_bad:
                return str(failure)
            raise _bad(encoded.name(number), failure) from None
        found = decode.shape(picture)
        if not settings.size and found[1:] != image[1:]:
            raise UsageError(
                f"{encoded.name(number)}: is {_size(found)}, images before it are {_size(image)}; "
                "give data.size, to which all are scaled and cut"
            )
        if not settings.channels and found[0] != image[0]:
            raise UsageError(
                f"{encoded.name(number)}: has {_channels(found)}, images before it have {_channels(image)}; "
                "give data.channels, 1 or 3, to which all are converted"
            )
        pixels[number] = decode.fit(picture, image)
        return None

    failures = list(_each(encoded, fill, "images", report))
    good = np.array([number for number, failure in enumerate(failures) if failure is None], np.int64)
    skipped = tuple(
        f"{encoded.name(number)}: {bad}" for number, bad in enumerate(failures) if bad is not None
    )
    if not len(good):
        raise _all_bad(encoded, skipped[0])
    for place, number in enumerate(good):
        if place < number:  # closed up in place: a second array could be too much
            pixels[place] = pixels[number]
    return Raw(
        pixels[: len(good)],
        encoded.labels[good],
        None if encoded.test is None else encoded.test[good],
        skipped,
        lambda place: encoded.name(int(good[place])),
    )


def _room(count: int, image: Shape) -> NDArray[np.uint8]:
    """An array for so many images; raises UsageError where they are more than there is memory."""
    try:
        return np.empty((count, *image), np.uint8)
    except (MemoryError, ValueError):  # ValueError: not even numpy can count them
        size = count * image[0] * image[1] * image[2] / 1e9
        raise UsageError(
            f"{count:,} images of {_size(image)} take {size:,.0f} GB of memory, which are not there; "
            "give a smaller data.size"
        ) from None


@decode.quiet()
def _survey(encoded: Encoded, report: Report) -> Counter[Shape]:
    """How many images have which shape before anything is scaled; what cannot be read is left out."""

    def look(_: int, file: Path | bytes) -> Shape | None:
        try:
            return decode.shape(decode.upright(file))
        except ImageError:
            return None

    return Counter(shape for shape in _each(encoded, look, "shapes", report) if shape is not None)


def _each(
    encoded: Encoded, function: Callable[[int, Path | bytes], Result], stage: str, report: Report
) -> Iterator[Result]:
    """What a function gives for every image, in their order, however the threads share them."""

    def work(chunk: list[tuple[int, Path | bytes]]) -> list[Result]:
        return [function(number, file) for number, file in chunk]

    images = enumerate(encoded.files())
    threads = cores()
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[list[Result]]] = deque()
        try:
            while True:
                while len(waiting) < _AHEAD * threads and (chunk := list(islice(images, _CHUNK))):
                    waiting.append(pool.submit(work, chunk))
                if not waiting:
                    return
                results = waiting.popleft().result()
                yield from results
                done += len(results)
                report(Progress(stage, done, len(encoded.labels), "images"))
        finally:
            pool.shutdown(cancel_futures=True)


def _bad(name: str, failure: ImageError) -> UsageError:
    return UsageError(
        f"{name}: {failure}; mend it, or leave such images out with skip_bad: true (--skip-bad)"
    )


def _all_bad(encoded: Encoded, reason: str) -> UsageError:
    return UsageError(f"none of {len(encoded.labels):,} images can be read; the first is {reason}")


def _size(shape: Shape) -> str:
    return f"{shape[1]}×{shape[2]}"


def _channels(shape: Shape) -> str:
    return "1 channel" if shape[0] == 1 else f"{shape[0]} channels"
