"""Draws a chain architecture segment by segment; each segment continues the stream.

A segment is the stem, one block, or the classifier. Only the stream passes from one segment to the next, so
the costs of networks are put together from those of segments.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from evo_bnas.network.node import Node
from evo_bnas.space.blocks import Block, draw_transition
from evo_bnas.space.chain_definition import ChainDefinition
from evo_bnas.space.sketch import Sketch


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a chain: its place, the channels of the stream before it, and its decided numbers."""

    stage: int  # 0: the stem; number of stages + 1: the classifier
    number: int  # of the block within its stage
    cin: int
    block: Block  # of the stem: channels, stride and kernel; of the classifier: the classes


def draw(chain: ChainDefinition, segments: Iterable[Segment]) -> tuple[Node, ...]:
    """The nodes of a whole network, from the image to the classifier."""
    sketch = Sketch(chain.image)
    for segment in segments:
        _append(chain, sketch, segment)
    return tuple(sketch.nodes)


def draw_alone(chain: ChainDefinition, segment: Segment) -> tuple[Node, ...]:
    """The nodes of one segment, with the stream before it as its image."""
    height, width = chain.image[1:]
    strides = [chain.stem.stride, *(stage.stride for stage in chain.stages)]
    # Only the first block of a stage strides, so the others read a smaller map.
    for stride in strides[: segment.stage + (segment.number > 1)]:
        height, width = -(-height // stride), -(-width // stride)
    sketch = Sketch((segment.cin, height, width))
    _append(chain, sketch, segment)
    return tuple(sketch.nodes)


def _append(chain: ChainDefinition, sketch: Sketch, segment: Segment) -> None:
    block = segment.block
    if segment.stage == 0:
        draw_stem(sketch, chain.stem.kind, block)
    elif segment.stage > len(chain.stages):
        sketch.classify(sketch.last, block.channels)
    else:
        name = f"s{segment.stage}.b{segment.number}"
        if chain.kind.transition:
            transition = chain.transition or chain.kind.transition
            draw_transition(sketch, f"{name}.transition", block, transition)
            block = replace(block, stride=1)
        chain.kind.draw(sketch, name, block)


def draw_stem(sketch: Sketch, kind: str, stem: Block) -> None:
    """Append the real-valued layers that read the image."""
    if kind == "conv":
        sketch.conv(
            "stem", sketch.last, stem.channels, kernel=stem.kernel, stride=stem.stride, after=("norm",)
        )
        return
    quarter = stem.channels // 4
    first = sketch.conv(
        "stem.first", sketch.last, quarter, kernel=stem.kernel, stride=2, after=("norm", "relu")
    )
    depthwise = sketch.conv(
        "stem.depthwise", first, quarter, kernel=3, stride=2, groups=quarter, after=("norm",)
    )
    sketch.conv("stem.pointwise", depthwise, stem.channels, after=("norm",))
