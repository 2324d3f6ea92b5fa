"""Packed programs, compared with torch's evaluation of the same inference form."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from evo_bnas.binary.fold import Statistics
from evo_bnas.binary.network import Network
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node, NodeStep
from evo_bnas.packed.calibrate import calibrate_packed
from evo_bnas.packed.compile import compile_network
from evo_bnas.packed.layout import layout, pack_signs, unpack_signs
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate
from tests.support.blueprints import AFTERS, blueprint_of
from tests.support.networks import random_images, random_network, tensors_of
from tests.support.strategies import SPACES, architectures

SMALL = [space for name, space in SPACES.items() if name.endswith("-8")]


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Blueprint, int]:
    """A binary convolution of any size, sometimes followed by one that adds a tiled shortcut."""
    groups = draw(st.sampled_from([1, 1, 2, 3, 4, 5, 6, 8, 12]))
    cin = groups * draw(st.integers(1, 200 // groups))
    channels = groups * draw(st.integers(1, 200 // groups))
    height, width = draw(st.integers(1, 9)), draw(st.sampled_from([*range(1, 10), 17, 33, 40]))
    stride = draw(st.sampled_from([1, 2, 3]))
    before = draw(st.sampled_from([(), ("shift",), ("norm",)]))
    tile = draw(st.booleans())
    shape = (channels, -(-height // stride), -(-width // stride))
    after = draw(st.sampled_from(AFTERS).filter(lambda steps: "add" not in steps))
    node = Node(
        "conv",
        "conv",
        (0,),
        shape,
        cin=cin,
        kernel=draw(st.sampled_from([1, 3, 5])),
        stride=stride,
        dilation=draw(st.sampled_from([1, 2])),
        groups=groups,
        weight_bits=1,
        input_bits=1,
        pad=draw(st.sampled_from([0, 1])),
        before=before,
        after=after,
    )
    nodes = [node]
    if tile:  # the second convolution reads the signs of the first, and adds its map cut or repeated
        wide = draw(st.integers(1, 100))
        nodes += [
            Node("tile", "tile", (1,), (wide, *shape[1:])),
            Node("next", "conv", (1, 2), (wide, *shape[1:]), cin=channels, weight_bits=1, input_bits=1,
                 after=("norm", "add", "rprelu")),
        ]  # fmt: skip
    return blueprint_of(*nodes, image=(cin, height, width)), draw(st.integers(0, 1000))


@given(convolutions())
@settings(max_examples=80)
def test_a_binary_convolution_equals_torch_bit_for_bit(drawing: tuple[Blueprint, int]) -> None:
    blueprint, seed = drawing
    network, _ = random_network(blueprint, seed)
    x = random_images(blueprint, 2, seed)
    np.testing.assert_array_equal(compile_network(network).run(x.numpy()), run_torch(network, x))


@pytest.mark.parametrize("after", AFTERS, ids="-".join)
def test_every_epilogue_equals_torch_bit_for_bit(after: tuple[NodeStep, ...]) -> None:
    node = Node(
        "conv", "conv", (0, 0) if "add" in after else (0,), (20, 7, 5), cin=20, kernel=3, weight_bits=1,
        input_bits=1, after=after,
    )  # fmt: skip
    network, _ = random_network(blueprint_of(node, image=(20, 7, 5)))
    x = random_images(network.blueprint)
    np.testing.assert_array_equal(compile_network(network).run(x.numpy()), run_torch(network, x))


@given(
    st.sampled_from(["pool_avg", "pool_max"]),
    st.sampled_from([(1, 1), (2, 2), (3, 1), (3, 2), (3, 3), (5, 2)]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 70),
    st.sampled_from([(), ("norm",), ("norm", "relu")]),
)
def test_a_pool_equals_torch_bit_for_bit(
    op: str, window: tuple[int, int], height: int, width: int, channels: int, after: tuple[NodeStep, ...]
) -> None:
    kernel, stride = window
    shape = (channels, -(-height // stride), -(-width // stride))
    node = Node("pool", op, (0,), shape, kernel=kernel, stride=stride, after=after)  # type: ignore[arg-type]
    network, _ = random_network(blueprint_of(node, image=(channels, height, width)))
    x = random_images(network.blueprint)
    np.testing.assert_array_equal(compile_network(network).run(x.numpy()), run_torch(network, x))


@given(
    st.sampled_from([1, 2, 3, 12]),
    st.sampled_from([1, 3, 5]),
    st.sampled_from([1, 2]),
    st.sampled_from([0, 1]),
    st.sampled_from([(1, 32), (32, 1), (32, 32), (8, 32)]),
    st.sampled_from([(), ("shift",), ("norm",)]),
    st.integers(1, 9),
)
def test_a_convolution_with_real_weights_or_inputs_equals_torch_up_to_rounding(
    groups: int,
    kernel: int,
    stride: int,
    pad: int,
    bits: tuple[int, int],
    before: tuple[NodeStep, ...],
    size: int,
) -> None:
    out = -(-size // stride)
    node = Node(
        "conv", "conv", (0,), (24, out, out), cin=12, kernel=kernel, stride=stride, groups=groups, pad=pad,
        weight_bits=bits[0], input_bits=bits[1], before=before, after=("norm",),
    )  # fmt: skip
    network, _ = random_network(blueprint_of(node, image=(12, size, size)))
    x = random_images(network.blueprint)
    result, expected = compile_network(network).run(x.numpy()), run_torch(network, x)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bits", [1, 32])
def test_a_dense_layer_adds_its_bias(bits: int) -> None:
    node = Node("dense", "dense", (0,), (5, 1, 1), cin=70, weight_bits=bits, input_bits=bits)
    network, _ = random_network(blueprint_of(node, image=(70, 1, 1)))
    x = random_images(network.blueprint)
    np.testing.assert_allclose(compile_network(network).run(x.numpy()), run_torch(network, x), 1e-4, 1e-5)


@pytest.mark.parametrize(
    "node",
    [
        Node("tile", "tile", (0,), (10, 7, 5), after=("norm",)),
        Node("tile", "tile", (0,), (3, 7, 5)),
        Node("concat", "concat", (0, 0), (8, 7, 5), after=("prelu",)),
        Node("sum", "sum", (0, 0, 0), (4, 7, 5), after=("norm", "rprelu")),
    ],
    ids=["tile", "cut", "concat", "sum"],
)
def test_a_join_equals_torch_bit_for_bit(node: Node) -> None:
    network, _ = random_network(blueprint_of(node))
    x = random_images(network.blueprint)
    np.testing.assert_array_equal(compile_network(network).run(x.numpy()), run_torch(network, x))


@pytest.mark.parametrize("narrow", [24, 48])
def test_a_shortcut_of_fewer_channels_is_repeated(narrow: int) -> None:
    nodes = (
        Node("first", "conv", (0,), (narrow, 7, 9), cin=8, weight_bits=1, input_bits=1, after=("norm",)),
        Node("tile", "tile", (1,), (100, 7, 9)),
        Node("next", "conv", (1, 2), (100, 7, 9), cin=narrow, weight_bits=1, input_bits=1,
             after=("norm", "add", "rprelu")),
    )  # fmt: skip
    network, _ = random_network(blueprint_of(*nodes, image=(8, 7, 9)))
    x = random_images(network.blueprint)
    np.testing.assert_array_equal(compile_network(network).run(x.numpy()), run_torch(network, x))


@pytest.mark.parametrize("bias", [0.5, 0.0, -0.5])
def test_a_norm_with_zero_gain_gives_a_constant_sign(bias: float) -> None:
    node = Node("conv", "conv", (0,), (6, 7, 5), cin=4, weight_bits=1, input_bits=1, before=("norm",))
    network, _ = random_network(blueprint_of(node))
    with torch.no_grad():
        network.get_parameter("conv.before.gain").zero_()
        network.get_parameter("conv.before.bias").fill_(bias)
    x = random_images(network.blueprint)
    result = compile_network(network).run(x.numpy())
    np.testing.assert_array_equal(result, run_torch(network, x))
    assert np.ptp(result, axis=0).max() == 0  # every image has the same signs


@given(st.data())
@settings(max_examples=40)
def test_between_real_convolutions_a_network_equals_torch_bit_for_bit(data: st.DataObject) -> None:
    space = data.draw(st.sampled_from(SMALL))
    blueprint = space.draw(data.draw(architectures(space)))
    seed = data.draw(st.integers(0, 1000))
    for part in trunks(blueprint):
        network, _ = random_network(part, seed)
        x = random_images(part, 3, seed)
        np.testing.assert_array_equal(compile_network(network).run(x.numpy()), run_torch(network, x))


@pytest.mark.parametrize("space", SMALL, ids=lambda space: space.name)
def test_whole_networks_classify_like_torch(space: Space) -> None:
    rng = np.random.default_rng(0)
    for architecture in (space.largest(), space.sample(rng)):
        network, x = calibrated(space, architecture, 200)
        result, expected = compile_network(network).run(x.numpy()), run_torch(network, x)
        near = np.abs(result - expected).max(1) <= 1e-4 * np.abs(expected).max(1)
        assert near.mean() >= 0.98
        best = np.sort(expected, 1)
        clear = best[:, -1] - best[:, -2] > 1e-3
        assert (result.argmax(1) == expected.argmax(1))[clear].all()


def test_results_do_not_depend_on_threads_or_chunks() -> None:
    space = SPACES["elastic-8"]
    network, x = calibrated(space, space.largest(), 50)
    program = compile_network(network)
    expected = program.run(x.numpy(), chunk=1)
    for threads, chunk in [(1, 8), (1, 50), (3, 7), (2, 64)]:
        np.testing.assert_array_equal(program.run(x.numpy(), threads=threads, chunk=chunk), expected)
    assert program.run(x.numpy()[:0]).shape == (0, space.classes)


def test_images_of_another_shape_are_refused() -> None:
    network, _ = random_network(blueprint_of(Node("mean", "mean", (0,), (4, 1, 1))))
    with pytest.raises(ValueError, match=r"\(4, 7, 5\)"):
        compile_network(network).run(np.zeros((1, 3, 7, 5), np.float32))


def test_a_network_without_statistics_is_not_compiled() -> None:
    space = SPACES["elastic-8"]
    with pytest.raises(RuntimeError, match="no statistics"):
        compile_network(Network(space.draw(space.smallest())))


def test_registers_are_reused() -> None:
    space = SPACES["group-mobile-8"]
    network, _ = random_network(space.draw(space.largest()))
    program = compile_network(network)
    assert len(program.registers) <= 5 < len(program.steps)


@given(convolutions())
def test_windows_fill_their_words_for_any_number_of_groups(drawing: tuple[Blueprint, int]) -> None:
    network, _ = random_network(drawing[0])
    step = compile_network(network).steps[1]
    assert step.weight is not None
    assert layout(step).windows.depth == -(-step.weight[0].size // 64)


@given(st.integers(1, 200), st.integers(0, 1000))
def test_unpacking_inverts_packing(channels: int, seed: int) -> None:
    signs = np.random.default_rng(seed).random((3, channels)) < 0.5
    words = pack_signs(signs)
    assert words.shape == (3, -(-channels // 64))
    np.testing.assert_array_equal(unpack_signs(words, channels) > 0, signs)


@pytest.mark.parametrize("space", SMALL, ids=lambda space: space.name)
def test_calibration_measures_the_same_statistics_as_torch(space: Space) -> None:
    architecture = space.sample(np.random.default_rng(1))
    network = Network(space.draw(architecture), seed=3)
    x = random_images(network.blueprint, 70)
    assert_near(packed_statistics(network, x, 32), calibrate(network.run, x, 32))


@given(
    st.sampled_from([(), ("shift",), ("norm",)]),
    st.sampled_from(AFTERS).filter(lambda after: "norm" in after),
    st.sampled_from([(1, 1), (32, 32)]),
)
def test_every_norm_is_measured_at_its_place(
    before: tuple[NodeStep, ...], after: tuple[NodeStep, ...], bits: tuple[int, int]
) -> None:
    node = Node(
        "conv", "conv", (0, 0) if "add" in after else (0,), (4, 7, 5), cin=4, kernel=3, weight_bits=bits[0],
        input_bits=bits[1], before=before, after=after,
    )  # fmt: skip
    network, _ = random_network(blueprint_of(node))
    x = random_images(network.blueprint, 16)
    assert_near(packed_statistics(network, x, 8), calibrate(network.run, x, 8))


def test_calibration_does_not_depend_on_threads() -> None:
    space = SPACES["elastic-8"]
    network = Network(space.draw(space.largest()))
    x = random_images(network.blueprint, 64)
    one, three = (packed_statistics(network, x, 16, threads) for threads in (1, 3))
    assert all(torch.equal(one[name], three[name]) for name in one)


def torch_of(network: Network, x: Tensor) -> NDArray[np.float32]:
    with torch.no_grad():
        return network(x).numpy()


def run_torch(network: Network, x: Tensor) -> NDArray[np.float32]:
    with torch.no_grad():
        return network(x).numpy()


def calibrated(space: Space, architecture: Architecture, images: int) -> tuple[Network, Tensor]:
    network = Network(space.draw(architecture), seed=2)
    x = random_images(network.blueprint, images)
    network.set_statistics(calibrate(network.run, x, images))
    return network.eval(), x


def packed_statistics(network: Network, x: Tensor, batch: int, threads: int = 1) -> Statistics:
    own = partial(tensors_of, network)
    return calibrate_packed(network.blueprint, own, x.numpy(), batch, threads=threads)


def assert_near(result: Statistics, expected: Statistics) -> None:
    assert result.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(result[name], expected[name], rtol=1e-5, atol=1e-5, msg=name)


def trunks(blueprint: Blueprint) -> Iterator[Blueprint]:
    """The parts of a network between its real convolutions, and up to its mean, as networks."""
    nodes = blueprint.nodes
    cuts = [index for index, node in enumerate(nodes) if node.op == "conv" and node.weight_bits == 32]
    end = next(index for index, node in enumerate(nodes) if node.op == "mean")
    for first, after in zip(cuts, [*cuts[1:], end], strict=True):
        place = {index: index - first for index in range(first, after)}
        part = [Node("image", "image", (), nodes[first].shape)]
        for node in nodes[first + 1 : after]:
            if not all(source in place for source in node.inputs):
                break
            part.append(moved(node, place))
        if len(part) > 1:
            yield Blueprint(tuple(part))


def moved(node: Node, place: dict[int, int]) -> Node:
    return replace(node, inputs=tuple(place[source] for source in node.inputs))
