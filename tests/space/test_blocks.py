"""The blocks of chain spaces: steps, costs, shared weights."""

from functools import cache, partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evo_bnas.network.cost import cost
from evo_bnas.network.node import Node, NodeStep
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.space.blocks import BLOCKS
from evo_bnas.space.catalogue import build
from evo_bnas.space.genes import Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet
from tests.support.blueprints import macs_by_torch
from tests.support.strategies import architectures


def chain(block: str, **fields: Any) -> Space:
    """A small space of a block: widening, striding, kernels and groups, or operations."""
    operations = {"operation": ["b5", "d3", "b3g4", "avg3", "skip"]}
    numbers = {"kernel": [3, 5], "groups": [1, 2]}
    each = operations if "operation" in BLOCKS[block].fields else numbers
    content: dict[str, Any] = {
        "family": "chain",
        "block": block,
        "image": [2, 7, 5],
        "classes": 3,
        "pad": 1,
        "stem": {"channels": [4, 8]},
        "stages": [
            {"channels": [8, 12], "blocks": 2, "each": each},
            {"channels": [12, 20], "blocks": 2, "stride": 2, "each": each},
        ],
    }
    return build(block, content | fields, "test")


@cache
def supernet(block: str) -> Supernet:
    return Supernet(chain(block))


def binary(space: Space) -> list[Node]:
    """The binary convolutions of the largest network."""
    return [node for node in space.draw(space.largest()).nodes if node.input_bits == 1]


@pytest.mark.parametrize(
    ("block", "before", "after"),
    [
        ("react", ("shift",), ("norm", "add", "rprelu")),
        ("bireal", (), ("norm", "add")),
        ("quick", ("shift",), ("prelu", "norm", "add")),
        ("bats", ("norm",), ("scale", "prelu", "add")),
        ("choice", ("shift",), ("prelu", "norm", "add")),
    ],
)
def test_the_steps_of_a_block(block: str, before: tuple[NodeStep, ...], after: tuple[NodeStep, ...]) -> None:
    assert {(node.before, node.after) for node in binary(chain(block))} == {(before, after)}


@pytest.mark.parametrize("block", BLOCKS)
@given(data=st.data())
@settings(max_examples=10)
def test_a_block_has_the_macs_that_torch_counts_and_shares_weights(block: str, data: st.DataObject) -> None:
    shared = supernet(block)
    space = shared.space
    architecture = data.draw(architectures(space))
    blueprint = space.draw(architecture)
    result = cost(blueprint)
    assert space.costs(architecture) == exact_objectives(result)
    assert macs_by_torch(blueprint) == result.bops + result.flops
    images = torch.randn(4, *space.image, generator=torch.Generator().manual_seed(0))
    statistics = calibrate(partial(shared, architecture=architecture), images, 4)
    network = shared.extract(architecture, statistics).eval()
    with torch.no_grad():
        assert torch.equal(network(images), shared(images, architecture, statistics))


def test_a_chain_of_bireal_blocks_is_resnet_20() -> None:
    content = {
        "image": [3, 32, 32],
        "classes": 10,
        "stem": {"channels": 16},
        "stages": [{"channels": w, "blocks": 6, "stride": 1 + (w > 16)} for w in (16, 32, 64)],
    }
    space = chain("bireal", **content)
    assert space.cost(space.largest()).bops == 40_108_032


@pytest.mark.parametrize(
    ("transition", "bits", "kernel", "pools"),
    [
        (None, 32, 1, True),
        ({"weights": "binary"}, 1, 1, True),
        ({"kernel": 3}, 32, 3, False),
        ({"kernel": 3, "weights": "binary"}, 1, 3, True),  # the pool belongs to the shortcut
    ],
)
def test_transitions_between_stages(
    transition: dict[str, Any] | None, bits: int, kernel: int, pools: bool
) -> None:
    space = chain("quick", **({"transition": transition} if transition else {}))
    nodes = {node.name: node for node in space.draw(space.largest()).nodes}
    conv = nodes["s2.b1.transition.conv"]
    assert (conv.weight_bits, conv.input_bits, conv.kernel) == (bits, bits, kernel)
    assert ("s2.b1.transition.pool" in nodes) == pools
    assert conv.shape == (20, 4, 3)
    assert not any(name.startswith("s2.b2.transition") for name in nodes)


def test_the_stem_of_quicknet_strides_twice() -> None:
    space = chain("quick", stem={"kind": "quick", "stride": 4}, image=[3, 30, 18])
    stem = space.draw(space.largest()).nodes[1:4]
    assert [(node.shape, node.kernel, node.stride, node.groups) for node in stem] == [
        ((3, 15, 9), 3, 2, 1),
        ((3, 8, 5), 3, 2, 3),
        ((12, 8, 5), 1, 1, 1),
    ]
    assert [node.weight_bits for node in stem] == [32] * 3


def test_the_nodes_of_a_choice() -> None:
    space = chain("choice")
    names = [node.name for node in space.draw(space.parse("c8-c8.b3g4.skip-c20.avg3.d3")).nodes]
    assert names == [
        "image",
        "stem",
        "s1.b1.b3g4",
        "s2.b1.transition.pool",
        "s2.b1.transition.tile",
        "s2.b1.transition.conv",
        "s2.b1.avg3",
        "s2.b1.avg3.sum",
        "s2.b2.d3",
        "mean",
        "classifier",
    ]
