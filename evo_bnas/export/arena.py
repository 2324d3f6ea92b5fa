"""Placement of buffers in one block of memory; buffers that are never needed together may share bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes that are needed from step `first` to step `last` of a program, both included."""

    size: int  # bytes
    first: int
    last: int

    def coexists(self, other: "Buffer") -> bool:
        """Whether both are needed at some step."""
        return self.first <= other.last and other.first <= self.last


def place(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """An offset for each buffer, and the size of the block, both in bytes.

    First fit, largest buffer first. Then it is repeated with the buffer that ended highest moved to the
    front, until the size reaches the lower bound or the attempts are used up; the smallest result counts.
    """
    order = sorted(range(len(buffers)), key=lambda n: (-buffers[n].size, n))
    bound = lower_bound(buffers)
    best, best_size = _first_fit(buffers, order)
    for _ in range(_ATTEMPTS):
        if best_size == bound:
            break
        offsets, size = _first_fit(buffers, order)
        if size < best_size:
            best, best_size = offsets, size
        highest = max(order, key=lambda n: offsets[n] + buffers[n].size)
        order.remove(highest)
        order.insert(0, highest)
    return best, best_size


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The largest number of bytes that are needed at the same step."""
    return max(sum(b.size for b in buffers if b.first <= buffer.first <= b.last) for buffer in buffers)


def _first_fit(buffers: Sequence[Buffer], order: Sequence[int]) -> tuple[list[int], int]:
    offsets: dict[int, int] = {}
    for index in order:
        buffer = buffers[index]
        occupied = sorted((offsets[n], buffers[n].size) for n in offsets if buffers[n].coexists(buffer))
        offset = 0
        for start, size in occupied:
            if offset + buffer.size <= start:
                break
            offset = max(offset, start + size)
        offsets[index] = offset
    size = max(offsets[n] + buffers[n].size for n in offsets)
    return [offsets[n] for n in range(len(buffers))], size
