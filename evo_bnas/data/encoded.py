"""Data sets of encoded images, such as JPEG and PNG, decoded in parallel by threads.

Pillow releases Python's lock while it decodes. For tiny images that gains little: most of their time is spent
in Python.
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
from evo_bnas.data.source import DecodedImages, Source
from evo_bnas.errors import UsageError
from evo_bnas.machine import cores
from evo_bnas.progress import Progress, Report

_CHUNK = 256  # images that a thread decodes before the next progress report
_CHUNKS_AHEAD = 2  # per thread, in memory

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False, slots=True)
class EncodedImages:
    """Images that are not decoded yet."""

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    is_test: NDArray[np.bool_] | None  # whether an image is in the published test split, if there is one
    encoded: Callable[[], Iterator[Path | bytes]]  # files or their content, in the order of the labels
    name: Callable[[int], str]  # of an image in messages, by its number
    files: int  # how many there are on disk
    files_hash: str

    def source(self, settings: DataSettings) -> Source:
        """The images as a data source.

        If the settings do not give size or channels, the first readable image decides, and the others must
        match it. Raises UsageError if no image can be read or, unless bad images may be skipped, if the first
        one cannot.
        """
        image = _common_shape(self, settings)

        def read(report: Report) -> DecodedImages:
            return _decode_all(self, image, settings, report)

        def count_shapes(report: Report) -> Counter[Shape]:
            return _count_shapes(self, report)

        return Source(
            image,
            self.classes,
            read,
            files_hash=self.files_hash,
            files=self.files,
            count_shapes=count_shapes,
        )


@decode.ignore_warnings()
def _common_shape(images: EncodedImages, settings: DataSettings) -> Shape:
    """Channels, height and width that all decoded images have."""
    if settings.size and settings.channels:
        return settings.channels, *settings.size
    first_failure = ""
    for number, file in enumerate(images.encoded()):
        try:
            channels, *size = decode.shape(decode.open_image(file))
        except ImageError as failure:
            if not settings.skip_bad:
                raise _unreadable(images.name(number), failure) from None
            first_failure = first_failure or f"{images.name(number)}: {failure}"
        else:
            height, width = settings.size or size
            return settings.channels or channels, height, width
    raise _all_unreadable(images, first_failure)


@decode.ignore_warnings()
def _decode_all(images: EncodedImages, image: Shape, settings: DataSettings, report: Report) -> DecodedImages:
    """Decode all images into one array; raises UsageError that names the first unusable one."""
    pixels = _allocate(len(images.labels), image)

    def decode_into(number: int, file: Path | bytes) -> str | None:
        """Decode one image; returns the reason if it is skipped."""
        try:
            opened = decode.open_image(file)
        except ImageError as failure:
            if settings.skip_bad:
                return str(failure)
            raise _unreadable(images.name(number), failure) from None
        _check_shape(decode.shape(opened), image, settings, images.name(number))
        pixels[number] = decode.fit(opened, image)
        return None

    failures = list(_in_parallel(images, decode_into, "images", report))
    good = np.array([number for number, failure in enumerate(failures) if failure is None], np.int64)
    skipped = tuple(
        f"{images.name(number)}: {failure}" for number, failure in enumerate(failures) if failure is not None
    )
    if not len(good):
        raise _all_unreadable(images, skipped[0])
    for position, number in enumerate(good):
        if position < number:  # close gaps in place, since there may be no memory for a second array
            pixels[position] = pixels[number]
    return DecodedImages(
        pixels[: len(good)],
        images.labels[good],
        None if images.is_test is None else images.is_test[good],
        skipped,
        lambda position: images.name(int(good[position])),
    )


def _check_shape(shape: Shape, expected: Shape, settings: DataSettings, name: str) -> None:
    if not settings.size and shape[1:] != expected[1:]:
        raise UsageError(
            f"{name}: is {_size(shape)}, but images before it are {_size(expected)}; "
            "set data.size, to which all images are scaled and cropped"
        )
    if not settings.channels and shape[0] != expected[0]:
        raise UsageError(
            f"{name}: has {_channels(shape)}, but images before it have {_channels(expected)}; "
            "set data.channels to 1 or 3, to which all images are converted"
        )


def _allocate(count: int, image: Shape) -> NDArray[np.uint8]:
    """An array for this number of images; raises UsageError if there is not enough memory."""
    try:
        return np.empty((count, *image), np.uint8)
    except (MemoryError, ValueError):  # ValueError: more than NumPy can count
        size = count * image[0] * image[1] * image[2] / 1e9
        raise UsageError(
            f"{count:,} images of {_size(image)} need {size:,.0f} GB of memory, more than there is; "
            "set a smaller data.size"
        ) from None


@decode.ignore_warnings()
def _count_shapes(images: EncodedImages, report: Report) -> Counter[Shape]:
    """Count the shapes of images before they are scaled, without unreadable images."""

    def shape(_: int, file: Path | bytes) -> Shape | None:
        try:
            return decode.shape(decode.open_image(file))
        except ImageError:
            return None

    return Counter(found for found in _in_parallel(images, shape, "shapes", report) if found is not None)


def _in_parallel(
    images: EncodedImages, function: Callable[[int, Path | bytes], Result], stage: str, report: Report
) -> Iterator[Result]:
    """The results of a function for all images, given number and file, in order; it runs in threads."""

    def work(chunk: list[tuple[int, Path | bytes]]) -> list[Result]:
        return [function(number, file) for number, file in chunk]

    numbered = enumerate(images.encoded())
    threads = cores()
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        in_flight: deque[Future[list[Result]]] = deque()
        try:
            while True:
                while len(in_flight) < _CHUNKS_AHEAD * threads and (chunk := list(islice(numbered, _CHUNK))):
                    in_flight.append(pool.submit(work, chunk))
                if not in_flight:
                    return
                results = in_flight.popleft().result()
                yield from results
                done += len(results)
                report(Progress(stage, done, len(images.labels), "images"))
        finally:
            pool.shutdown(cancel_futures=True)


def _unreadable(name: str, failure: ImageError) -> UsageError:
    return UsageError(f"{name}: {failure}; fix it, or skip such images with skip_bad: true (--skip-bad)")


def _all_unreadable(images: EncodedImages, reason: str) -> UsageError:
    return UsageError(f"none of {len(images.labels):,} images can be read; the first is {reason}")


def _size(shape: Shape) -> str:
    return f"{shape[1]}×{shape[2]}"


def _channels(shape: Shape) -> str:
    return "1 channel" if shape[0] == 1 else f"{shape[0]} channels"
