"""The memory plan of a program on a device: what each step reads and writes, and where.

The registers of a program hold many images at once. A device runs one image: there, every map has its own
place in an arena, from the step that writes it to the last step that reads it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from evo_bnas.export.arena import Buffer, place
from evo_bnas.packed.program import Program
from evo_bnas.packed.step import Step

_FLOAT_BYTES = 4
_BITS_PER_BYTE = 8


class MapId(NamedTuple):
    """A map that a step writes: its real values, or its signs for one of the layers that read them."""

    step: int
    entry: int | None = None  # of the signs; None: the real values


@dataclass(frozen=True, slots=True)
class PlacedMap:
    """A map in the arena, stored by rows, columns, channels.

    The signs of a pixel are stored in blocks, one for each group of the layer that reads them; each block
    starts at a byte.
    """

    buffer: Buffer
    offset: int  # bytes
    groups: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where all maps of a program are, and which of them each step reads."""

    places: dict[MapId, PlacedMap]
    inputs: tuple[tuple[MapId, ...], ...]  # of every step
    shortcuts: tuple[MapId | None, ...]  # of every step
    size: int  # bytes of the arena


def plan(program: Program) -> MemoryPlan:
    """The memory plan of a program that runs one image."""
    inputs, shortcuts = [], []
    groups: dict[MapId, int] = {}
    last_use: dict[MapId, int] = {}
    writer: dict[int, int] = {}  # by register: the step that last wrote to it
    for index, step in enumerate(program.steps):
        signed = step.operation == "binary" or step.unpacks
        read = tuple(MapId(writer[m.register], m.entry if signed else None) for m in step.inputs)
        shortcut = MapId(writer[step.shortcut.register]) if step.shortcut else None
        inputs.append(read)
        shortcuts.append(shortcut)
        last_use |= dict.fromkeys((*read, shortcut) if shortcut else read, index)
        groups |= dict.fromkeys(read, step.groups if signed else 1)
        writer |= {m.register: index for m in (step.real, step.signs) if m}
    buffers = {
        written: Buffer(_bytes(step, written, groups.get(written, 1)), index, last_use.get(written, index))
        for index, step in enumerate(program.steps)
        for written in _outputs(index, step)
    }
    offsets, size = place(list(buffers.values()))
    places = {
        written: PlacedMap(buffer, offset, groups.get(written, 1))
        for (written, buffer), offset in zip(buffers.items(), offsets, strict=True)
    }
    return MemoryPlan(places, tuple(inputs), tuple(shortcuts), size)


def _outputs(index: int, step: Step) -> list[MapId]:
    real = [MapId(index)] if step.real else []
    return real + [MapId(index, entry) for entry in range(len(step.epilogue.levels))]


def _bytes(step: Step, written: MapId, groups: int) -> int:
    pixels = step.height * step.width
    if written.entry is None:
        return _FLOAT_BYTES * pixels * step.channels
    used = pixels * groups * -(-(step.channels // groups) // _BITS_PER_BYTE)
    return -(-used // _FLOAT_BYTES) * _FLOAT_BYTES  # rounded up to whole floats, so that offsets are aligned
