"""Where maps stand in one block of memory, so that those that never meet share bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

_TRIES = 50


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes that are needed from one step of a program to another, both included."""

    size: int  # bytes
    first: int
    last: int

    def meets(self, other: "Buffer") -> bool:
        """Whether both are needed at some step."""
        return self.first <= other.last and other.first <= self.last


def place(needed: Sequence[Buffer]) -> tuple[list[int], int]:
    """An offset for each buffer, and the size of all.

    First fit, the largest first; then again and again with the buffer that stood highest put first, until
    the size is that of the buffers of the fullest moment, than which none is smaller, or tries are spent.
    """
    order = sorted(range(len(needed)), key=lambda n: (-needed[n].size, n))
    bound = least(needed)
    best, size = _first_fit(needed, order)
    for _ in range(_TRIES):
        if size == bound:
            break
        offsets, found = _first_fit(needed, order)
        if found < size:
            best, size = offsets, found
        highest = max(order, key=lambda n: offsets[n] + needed[n].size)
        order.remove(highest)
        order.insert(0, highest)
    return best, size


def least(needed: Sequence[Buffer]) -> int:
    """Bytes of the buffers that are needed at the fullest moment."""
    return max(sum(b.size for b in needed if b.first <= buffer.first <= b.last) for buffer in needed)


def _first_fit(needed: Sequence[Buffer], order: Sequence[int]) -> tuple[list[int], int]:
    offsets: dict[int, int] = {}
    for index in order:
        buffer = needed[index]
        taken = sorted((offsets[n], needed[n].size) for n in offsets if needed[n].meets(buffer))
        offset = 0
        for start, size in taken:
            if offset + buffer.size <= start:
                break
            offset = max(offset, start + size)
        offsets[index] = offset
    size = max(offsets[n] + needed[n].size for n in offsets)
    return [offsets[n] for n in range(len(needed))], size
