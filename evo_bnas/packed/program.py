"""A network as a program: steps over registers, run on any number of images by any number of threads."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from evo_bnas.packed.perform import NO_BITS, NO_FLOATS, Output, Prepared, perform, prepare
from evo_bnas.packed.step import WORD, Bits, Floats, Map, Register, Step

_CHUNK = 8  # images that a thread takes through all steps together: their maps stay in its cache


@dataclass(frozen=True, eq=False)
class Program:
    """Steps in execution order; the first is the image, the last one's map is the output.

    A program of one run of a blueprint: every register is used again after the last reader of its map.
    """

    image: tuple[int, int, int]  # channels, height, width of the images it takes
    classes: int
    registers: tuple[Register, ...]
    steps: tuple[Step, ...]

    @cached_property
    def prepared(self) -> tuple[Prepared, ...]:
        """The steps with their weights as the kernels read them."""
        return tuple(prepare(step) for step in self.steps)

    def run(self, images: Floats, *, threads: int = 1, chunk: int = _CHUNK) -> Floats:
        """Logits (images, classes) of images (images, channels, height, width).

        Every thread takes `chunk` images at a time through all steps; results are the same for any number
        of threads and any chunk. Raises ValueError on images of another shape.
        """
        if images.shape[1:] != self.image:
            raise ValueError(f"takes images of {self.image}, not {images.shape[1:]}")
        outputs = np.empty((len(images), self._size), np.float32)
        parts = [slice(start, start + chunk) for start in range(0, len(images), chunk)]
        if threads == 1 or len(parts) < 2:
            self._run_parts(iter(parts), images, outputs)
            return outputs
        shares = [iter(parts[first::threads]) for first in range(min(threads, len(parts)))]
        with ThreadPoolExecutor(len(shares)) as pool:
            list(pool.map(lambda share: self._run_parts(share, images, outputs), shares))
        return outputs

    @property
    def _size(self) -> int:
        last = self.steps[-1]
        return last.height * last.width * last.channels

    def _run_parts(self, parts: Iterator[slice], images: Floats, outputs: Floats) -> None:
        memory: Memory | None = None
        for part in parts:
            taken = images[part]
            if memory is None or memory.images != len(taken):
                memory = Memory(self.registers, len(taken))
            for prepared in self.prepared:
                memory.perform(prepared, taken)
            last = self.steps[-1].real
            assert last is not None
            outputs[part] = memory.real(last).transpose(0, 3, 1, 2).reshape(len(taken), -1)


class Memory:
    """The registers of a program, for so many images."""

    def __init__(self, registers: Sequence[Register], images: int) -> None:
        self.images = images
        kinds = {"real": np.float32, "signs": np.uint64}
        self._arrays: list[Any] = [
            np.empty(images * register.size, kinds[register.kind]) for register in registers
        ]

    def perform(self, prepared: Prepared, images: Floats) -> None:
        """Do one step; `images` is what the image step puts out."""
        step = prepared.step
        if step.operation == "image":
            inputs: list[Any] = [images]
        elif step.operation == "binary" or step.unpacks:
            inputs = [self._signs(step.inputs[0])]
        else:
            inputs = [self._arrays[source.register] for source in step.inputs]
        shortcut = self._arrays[step.shortcut.register] if step.shortcut else NO_FLOATS
        out = Output(
            self._arrays[step.real.register] if step.real else NO_FLOATS,
            self._signs(step.signs) if step.signs else NO_BITS,
        )
        perform(prepared, self.images, inputs, shortcut, out)

    def real(self, where: Map) -> Floats:
        """A real map of every image, (images, height, width, channels)."""
        shape = (self.images, where.height, where.width, where.channels)
        flat: Floats = self._arrays[where.register][: prod(shape)]
        return flat.reshape(shape)

    def _signs(self, where: Map) -> Bits:
        """The signs that one reader reads, and those of later readers, flat."""
        size = self.images * where.height * where.width * -(-where.channels // WORD)
        signs: Bits = self._arrays[where.register][where.entry * size :]
        return signs
