"""A network as a program: steps over registers, which any number of threads run on any number of images."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from evo_bnas.packed.perform import NO_BITS, NO_FLOATS, Output, PreparedStep, perform, prepare
from evo_bnas.packed.step import WORD, Bits, Floats, Map, Register, Step

_CHUNK = 8  # images that a thread runs through all steps together, so that their maps stay in its cache


@dataclass(frozen=True, eq=False)
class Program:
    """Steps in execution order; the first is the image, and the map of the last one is the output."""

    image: tuple[int, int, int]  # channels, height, width of the input
    classes: int
    registers: tuple[Register, ...]
    steps: tuple[Step, ...]

    @cached_property
    def prepared(self) -> tuple[PreparedStep, ...]:
        """The steps with their tensors in the layout of the kernels."""
        return tuple(prepare(step) for step in self.steps)

    def run(self, images: Floats, *, threads: int = 1, chunk: int = _CHUNK) -> Floats:
        """Logits (images, classes) of images (images, channels, height, width).

        Every thread runs `chunk` images at a time through all steps; results do not depend on the number of
        threads or the chunk. Raises ValueError if the images have another shape.
        """
        if images.shape[1:] != self.image:
            raise ValueError(f"the program takes images of {self.image}, not {images.shape[1:]}")
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
        registers: RegisterFile | None = None
        for part in parts:
            chunk = images[part]
            if registers is None or registers.images != len(chunk):
                registers = RegisterFile(self.registers, len(chunk))
            for prepared in self.prepared:
                registers.perform(prepared, chunk)
            last = self.steps[-1].real
            assert last is not None
            outputs[part] = registers.real(last).transpose(0, 3, 1, 2).reshape(len(chunk), -1)


class RegisterFile:
    """The memory of the registers of a program for a number of images."""

    def __init__(self, registers: Sequence[Register], images: int) -> None:
        self.images = images
        kinds = {"real": np.float32, "signs": np.uint64}
        self._arrays: list[Any] = [
            np.empty(images * register.size, kinds[register.kind]) for register in registers
        ]

    def perform(self, prepared: PreparedStep, images: Floats) -> None:
        """Perform one step; `images` is the input of the image step."""
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

    def real(self, target: Map) -> Floats:
        """A real map of every image, (images, height, width, channels)."""
        shape = (self.images, target.height, target.width, target.channels)
        flat: Floats = self._arrays[target.register][: prod(shape)]
        return flat.reshape(shape)

    def _signs(self, target: Map) -> Bits:
        """The signs for one reader, followed by those for later readers, flat."""
        size = self.images * target.height * target.width * -(-target.channels // WORD)
        signs: Bits = self._arrays[target.register][target.entry * size :]
        return signs
