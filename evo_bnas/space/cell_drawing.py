"""How decided cells are drawn, and stacked to a network.

A real-valued sum leads from cell to cell past everything binary (Kim et al., BNAS, ECCV 2020); where the map
shrinks or widens on this way, it is pooled and repeated, so that it has no weights.
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
    """What surrounds the binary convolutions of a cell."""

    before: tuple[NodeStep, ...]
    after: tuple[NodeStep, ...]
    groups: int = 1
    pad: int = 0


# The steps around a binary convolution; where it keeps the map's size, its input is added in the end.
BLOCKS = {
    "cell": Style(before=("shift",), after=("norm", "prelu")),
    # Bulat et al., BATS (ECCV 2020): no norm follows, so the scale of the sums is learned.
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
            place: _input(sketch, f"{name}.in{place}", source, last, channels, style)
            for place, source in enumerate((before, last))
        }
        maps = draw_cell(sketch, name, cells[KINDS[reduces]], inputs, stride, style)
        made = sketch.merge(f"{name}.concat", "concat", [maps[node] for node in maps if node >= INPUTS])
        past = sketch.shrink(f"{name}.pool", last, stride)
        past = sketch.tile(f"{name}.tile", past, sketch.channels(made))
        before, last = last, sketch.merge(f"{name}.out", "sum", [made, past])
    sketch.classify(last, definition.classes)
    return sketch.used()


def draw_cell(
    sketch: Sketch, name: str, cell: Cell, inputs: Mapping[int, int], stride: int, style: Style
) -> dict[int, int]:
    """Append the nodes of a cell, whose inputs are strided; returns where each map of the cell is drawn.

    Tensors are addressed by node, source and operation, never by the place of an edge in its node: so the
    two ways to write a node are one network. A node without edges is not drawn.
    """
    maps = dict(inputs)
    for node, edges in enumerate(cell, len(inputs)):
        made = [
            draw_operation(
                sketch, f"{name}.n{node}.{source}.{operation}", operation, maps[source],
                stride if source in inputs else 1, style,
            )
            for source, operation in edges
        ]  # fmt: skip
        if made:
            maps[node] = sketch.merge(f"{name}.n{node}", "sum", made)
    return maps


def draw_operation(sketch: Sketch, name: str, operation: str, source: int, stride: int, style: Style) -> int:
    """Append one operation; a skip is the source itself, or its mean over windows of the stride."""
    drawn = OPERATIONS[operation]
    if drawn.op is None:
        return sketch.shrink(name, source, stride)
    if drawn.op != "conv":
        return sketch.pool(name, drawn.op, source, kernel=drawn.kernel, stride=stride, after=("norm",))
    return sketch.conv(
        name,
        source,
        sketch.channels(source),
        kernel=drawn.kernel,
        stride=stride,
        dilation=drawn.dilation,
        groups=style.groups,
        binary=True,
        pad=style.pad,
        before=style.before,
        after=(*style.after, "add") if stride == 1 else style.after,
        shortcut=source if stride == 1 else None,
    )


def _input(sketch: Sketch, name: str, source: int, last: int, channels: int, style: Style) -> int:
    """An input of a cell: brought to the size of the last map, and by a binary 1 x 1 to its channels."""
    larger = sketch.nodes[source].shape[1:] != sketch.nodes[last].shape[1:]
    source = sketch.shrink(f"{name}.pool", source, 2 if larger else 1)
    return sketch.conv(name, source, channels, binary=True, before=style.before, after=style.after)
