"""What a step of a program reads and writes, as places in the memory of a device.

A program's registers are for many images at once. A device runs one image: here every map has a place of its
own in an arena, from the step that writes it to the last that reads it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from evo_bnas.export.arena import Buffer, place
from evo_bnas.packed.program import Program
from evo_bnas.packed.step import Step

_FLOAT_BYTES = 4
_BITS_PER_BYTE = 8


class Written(NamedTuple):
    """A map by its writer: the real one of a step, or the signs that it writes for one of their readers."""

    step: int
    entry: int | None = None  # of the signs; None: the real map


@dataclass(frozen=True, slots=True)
class Place:
    """A map in the arena: rows, in them columns, in them channels.

    Signs of a pixel stand block by block, as the groups of their reader ask, every block in whole bytes.
    """

    buffer: Buffer
    offset: int  # bytes
    groups: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Where all maps of a program are, and what every step reads."""

    places: dict[Written, Place]
    inputs: tuple[tuple[Written, ...], ...]  # of every step
    shortcuts: tuple[Written | None, ...]
    size: int  # bytes of the arena


def plan(program: Program) -> Memory:
    """Places for all maps of a program that runs one image."""
    inputs, shortcuts = [], []
    groups: dict[Written, int] = {}
    last: dict[Written, int] = {}
    writer: dict[int, int] = {}  # the step whose map a register holds
    for index, step in enumerate(program.steps):
        signed = step.operation == "binary" or step.unpacks
        read = tuple(Written(writer[m.register], m.entry if signed else None) for m in step.inputs)
        added = Written(writer[step.shortcut.register]) if step.shortcut else None
        inputs.append(read)
        shortcuts.append(added)
        last |= dict.fromkeys((*read, added) if added else read, index)
        groups |= dict.fromkeys(read, step.groups if signed else 1)
        writer |= {m.register: index for m in (step.real, step.signs) if m}
    needed = {
        written: Buffer(_bytes(step, written, groups.get(written, 1)), index, last.get(written, index))
        for index, step in enumerate(program.steps)
        for written in _outputs(index, step)
    }
    offsets, size = place(list(needed.values()))
    places = {
        written: Place(buffer, offset, groups.get(written, 1))
        for (written, buffer), offset in zip(needed.items(), offsets, strict=True)
    }
    return Memory(places, tuple(inputs), tuple(shortcuts), size)


def _outputs(index: int, step: Step) -> list[Written]:
    real = [Written(index)] if step.real else []
    return real + [Written(index, entry) for entry in range(len(step.epilogue.levels))]


def _bytes(step: Step, written: Written, groups: int) -> int:
    pixels = step.height * step.width
    if written.entry is None:
        return _FLOAT_BYTES * pixels * step.channels
    used = pixels * groups * -(-(step.channels // groups) // _BITS_PER_BYTE)
    return -(-used // _FLOAT_BYTES) * _FLOAT_BYTES  # whole floats, so that all offsets are aligned
