"""How a decided chain architecture is drawn.

The block is that of ReActNet (Liu et al., ECCV 2020), of NAS-BNN (Lin et al., 2025) and, with binary
group convolutions, by Phan et al. (CVPR 2020): a k x k binary convolution that keeps its channels, then a
binary 1 x 1 convolution, each with a norm, a parameter-free shortcut and RPReLU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evo_bnas.blueprint import Node
from evo_bnas.space.chain_definition import ChainDefinition


@dataclass(frozen=True, slots=True)
class Block:
    """The numbers of one block."""

    kernel: int
    groups: int
    pointwise_groups: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A decided architecture: numbers in place of choices."""

    stem: tuple[int, int]  # channels, kernel
    stages: tuple[tuple[int, tuple[Block, ...]], ...]  # channels, blocks


def draw(chain: ChainDefinition, plan: Plan) -> tuple[Node, ...]:
    """The nodes of a plan, from the image to the classifier."""
    channels, height, width = chain.image
    nodes = [Node("image", "image", (), chain.image)]
    stem_channels, stem_kernel = plan.stem
    nodes.append(
        Node(
            "stem",
            "conv",
            (0,),
            (stem_channels, *_strided((height, width), chain.stem.stride)),
            cin=channels,
            kernel=stem_kernel,
            stride=chain.stem.stride,
            after=("norm",),
        )
    )
    for number, ((channels, blocks), stage) in enumerate(zip(plan.stages, chain.stages, strict=True), 1):
        for position, block in enumerate(blocks, 1):
            stride = stage.stride if position == 1 else 1
            _react(nodes, f"s{number}.b{position}", channels, stride, block, chain.pad)
    features = nodes[-1].shape[0]
    nodes.append(Node("mean", "mean", (len(nodes) - 1,), (features, 1, 1)))
    nodes.append(Node("classifier", "dense", (len(nodes) - 1,), (chain.classes, 1, 1), cin=features))
    return tuple(nodes)


def _react(nodes: list[Node], name: str, channels: int, stride: int, block: Block, pad: int) -> None:
    """Append one block: binary k x k that keeps its channels and strides, binary 1 x 1 that widens."""
    source = len(nodes) - 1
    cin, *size = nodes[source].shape
    map_ = _strided(size, stride)
    shortcut = source
    if stride > 1:
        nodes.append(Node(f"{name}.pool", "pool_avg", (source,), (cin, *map_), kernel=stride, stride=stride))
        shortcut = len(nodes) - 1
    nodes.append(
        Node(
            f"{name}.spatial",
            "conv",
            (source, shortcut),
            (cin, *map_),
            cin=cin,
            kernel=block.kernel,
            stride=stride,
            groups=block.groups,
            weight_bits=1,
            input_bits=1,
            pad=pad,
            before=("shift",),
            after=("norm", "add", "rprelu"),
        )
    )
    source = shortcut = len(nodes) - 1
    if channels != cin:
        nodes.append(Node(f"{name}.tile", "tile", (source,), (channels, *map_)))
        shortcut = len(nodes) - 1
    nodes.append(
        Node(
            f"{name}.pointwise",
            "conv",
            (source, shortcut),
            (channels, *map_),
            cin=cin,
            groups=block.pointwise_groups,
            weight_bits=1,
            input_bits=1,
            before=("shift",),
            after=("norm", "add", "rprelu"),
        )
    )


def _strided(size: Sequence[int], stride: int) -> tuple[int, int]:
    height, width = size
    return -(-height // stride), -(-width // stride)
