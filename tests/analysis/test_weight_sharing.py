"""The compared ways to share weights."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from analysis.shared.weight_sharing import SHARINGS, Chunks, Separate
from evo_bnas.binary.execute import operate
from evo_bnas.network.node import Node, tensors
from evo_bnas.space.catalogue import load
from evo_bnas.supernet.supernet import Supernet

SPACE = load("tiny-8")
every_sharing = pytest.mark.parametrize("name", SHARINGS)


def convolution(groups: int) -> Node:
    """The grouped layer of the widest network, with this many groups."""
    key = f"k5-c8-c32d2k5-g{groups}"
    nodes = SPACE.draw(SPACE.parse(key)).nodes
    return next(node for node in nodes if node.name == "s3.b1.spatial")


@every_sharing
def test_every_network_runs_and_all_its_tensors_are_trained(name: str) -> None:
    supernet = SHARINGS[name](SPACE, 0)
    images = torch.randn(8, *SPACE.image)
    for network in list(SPACE.enumerate())[::7]:
        supernet.zero_grad(set_to_none=True)
        supernet(images, network).square().mean().backward()
        slices = supernet.slices()
        for node in SPACE.draw(network).nodes:
            own = slices(node)
            assert all(own[spec.name].shape == spec.shape for spec in tensors(node))
        used = [p for p in supernet.parameters() if p.grad is not None]
        assert len(used) == sum(len(slices(node)) for node in SPACE.draw(network).nodes)


def test_chunks_are_a_group_convolution_with_a_shuffle_behind_it() -> None:
    supernet = Chunks(SPACE, seed=3)
    node = convolution(2)
    x = torch.randn(2, node.cin, 4, 4)
    own = supernet.slices()(node)["weight"]
    ours = operate(node, [x], own)
    dense = supernet.get_parameter("s3.b1.spatial.weight")
    half = node.cin // 2
    first, second = dense[:16, :half], dense[16:, half:]
    theirs = F.conv2d(x, torch.cat([first, second]), None, node.stride, node.kernel // 2, groups=2)
    torch.testing.assert_close(ours, F.channel_shuffle(theirs, 2))


def test_a_dense_layer_is_the_same_in_chunks_as_under_the_mask() -> None:
    masked, chunked = Supernet(SPACE, seed=3), Chunks(SPACE, seed=3)
    assert torch.equal(masked.slices()(convolution(1))["weight"], chunked.slices()(convolution(1))["weight"])


@pytest.mark.parametrize("fields", [("groups",), ("kernel",), ("kernel", "groups")])
def test_options_apart_have_no_weight_in_common(fields: tuple[str, ...]) -> None:
    supernet = Separate(SPACE, fields, seed=0)
    images = torch.randn(8, *SPACE.image)
    touched = {}
    for kernel, groups in product((3, 5), (1, 2)):
        supernet.zero_grad(set_to_none=True)
        supernet(images, SPACE.parse(f"k3-c8-c32d1k{kernel}-g{groups}")).square().mean().backward()
        touched[kernel, groups] = {name for name, p in supernet.named_parameters() if p.grad is not None}
    for (one, used), (other, others) in product(touched.items(), repeat=2):
        shared = {name for name in used & others if "weight_" in name}
        if "kernel" in fields and one[0] != other[0]:
            assert not [name for name in shared if name.startswith("s2.b1.spatial")]
        if "groups" in fields and one[1] != other[1]:
            assert not [name for name in shared if name.startswith("s3.b1.spatial")]
        assert [name for name in shared if name.startswith("s1.b1.spatial")]
