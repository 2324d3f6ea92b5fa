"""Draws cells, and stacks them to a network.

A real-valued shortcut leads from cell to cell, around everything binary (Kim et al., BNAS, ECCV 2020). If the
map shrinks or widens, the shortcut is pooled and its channels are repeated, so that it has no weights.
"""

from collections.abc import Mapping
from typing import NamedTuple

from evo_bnas.network.node import Node, NodeStep
from evo_bnas.space.blocks import Block
from evo_bnas.space.cell_definition import CellDefinition
from evo_bnas.space.cell_genes import INPUTS, KINDS
from evo_bnas.space.cell_text import Cell
from evo_bnas.space.chain_drawing import draw_stem
from evo_bnas.space.operations import OPERATIONS
from evo_bnas.space.sketch import Sketch


class Style(NamedTuple):
    """The steps around the binary convolutions of a cell, and their common settings."""

    before: tuple[NodeStep, ...]
    after: tuple[NodeStep, ...]
    groups: int = 1
    pad: int = 0


# The steps around a binary convolution. A convolution without stride also adds its input at the end.
BLOCKS = {
    "cell": Style(before=("shift",), after=("norm", "prelu")),
    # Bulat et al., BATS (ECCV 2020): without a norm after it, the scale of the sums is learned.
    "bats": Style(before=("norm",), after=("scale", "prelu")),
}


def draw(definition: CellDefinition, cells: Mapping[str, Cell], groups: int) -> tuple[Node, ...]:
    """The nodes of a network of these cells, from the image to the classifier."""
    style = BLOCKS[definition.block]._replace(groups=groups, pad=definition.pad)
    sketch = Sketch(definition.image)
    stem = definition.stem
    draw_stem(sketch, stem.kind, Block(stem.channels, stride=stem.stride))
    before = last = sketch.last
    channels = definition.channels
    for number in range(definition.cells):
        reduces = definition.reduces(number)
        stride = 2 if reduces else 1
        channels *= stride
        name = f"c{number + 1}"
        inputs = {
            number: _input(sketch, f"{name}.in{number}", source, last, channels, style)
            for number, source in enumerate((before, last))
        }
        maps = draw_cell(sketch, name, cells[KINDS[reduces]], inputs, stride, style)
        output = sketch.merge(f"{name}.concat", "concat", [maps[node] for node in maps if node >= INPUTS])
        shortcut = sketch.shrink(f"{name}.pool", last, stride)
        shortcut = sketch.tile(f"{name}.tile", shortcut, sketch.channels(output))
        before, last = last, sketch.merge(f"{name}.out", "sum", [output, shortcut])
    sketch.classify(last, definition.classes)
    return sketch.used()


def draw_cell(
    sketch: Sketch, name: str, cell: Cell, inputs: Mapping[int, int], stride: int, style: Style
) -> dict[int, int]:
    """Append the nodes of a cell, whose inputs are strided; returns the index of each map of the cell.

    The address of a tensor is its node, source and operation, not the position of the edge in its node, so
    that the order of edges does not matter. A node without edges is not chosen.
    """
    maps = dict(inputs)
    for node, edges in enumerate(cell, len(inputs)):
        terms = [
            draw_operation(
                sketch, f"{name}.n{node}.{source}.{operation}", operation, maps[source],
                stride if source in inputs else 1, style,
            )
            for source, operation in edges
        ]  # fmt: skip
        if terms:
            maps[node] = sketch.merge(f"{name}.n{node}", "sum", terms)
    return maps


def draw_operation(sketch: Sketch, name: str, operation: str, source: int, stride: int, style: Style) -> int:
    """Append one operation; a skip is the source itself, or its mean over windows of the stride."""
    chosen = OPERATIONS[operation]
    if chosen.op is None:
        return sketch.shrink(name, source, stride)
    if chosen.op != "conv":
        return sketch.pool(name, chosen.op, source, kernel=chosen.kernel, stride=stride, after=("norm",))
    return sketch.conv(
        name,
        source,
        sketch.channels(source),
        kernel=chosen.kernel,
        stride=stride,
        dilation=chosen.dilation,
        groups=style.groups,
        binary=True,
        pad=style.pad,
        before=style.before,
        after=(*style.after, "add") if stride == 1 else style.after,
        shortcut=source if stride == 1 else None,
    )


def _input(sketch: Sketch, name: str, source: int, last: int, channels: int, style: Style) -> int:
    """An input of a cell, pooled to the size of the last map, with a binary 1 x 1 to the cell's channels."""
    larger = sketch.nodes[source].shape[1:] != sketch.nodes[last].shape[1:]
    source = sketch.shrink(f"{name}.pool", source, 2 if larger else 1)
    return sketch.conv(name, source, channels, binary=True, before=style.before, after=style.after)
