"""The interpreter on hand-drawn blueprints, against direct computations of the same grammar."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from evo_bnas.binary.execute import BatchStatistics, Mode, execute, operate
from evo_bnas.binary.fold import NORM_EPS, Statistics, Tensors, Threshold, fold
from evo_bnas.binary.network import Network
from evo_bnas.binary.weights import standardise
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import cost
from evo_bnas.network.node import Node, NodeStep, norms, tensors
from evo_bnas.supernet.calibration import calibrate
from tests.support.maps import GpuAutocast
from tests.support.strategies import SPACES, architectures, spaces

ACTIVATED: tuple[NodeStep | None, ...] = (None, "relu", "prelu", "rprelu")
AFTERS = [
    tuple(step for step in steps if step)
    for steps in product((None, "norm", "scale"), ACTIVATED, (None, "norm"), (None, "add"), ACTIVATED)
]


def drawn(*nodes: Node, image: tuple[int, int, int] = (4, 7, 5)) -> Blueprint:
    return Blueprint((Node("image", "image", (), image), *nodes))


def conv(**fields: object) -> Node:
    defaults: dict[str, object] = {
        "name": "conv",
        "op": "conv",
        "inputs": (0,),
        "shape": (6, 7, 5),
        "cin": 4,
        "kernel": 3,
        "weight_bits": 1,
        "input_bits": 1,
    }
    return Node(**(defaults | fields))  # type: ignore[arg-type]


def shaken(blueprint: Blueprint, seed: int = 0) -> tuple[Network, Statistics]:
    """A network whose every tensor and statistic is random, gains of both signs."""
    network = Network(blueprint)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    statistics = {
        name: torch.rand(value.shape, generator=generator) + (0.5 if name.endswith("var") else -0.5)
        for name, value in network.statistics.items()
    }
    network.set_statistics(statistics)
    return network.eval(), statistics


def pictures(blueprint: Blueprint, count: int = 3, seed: int = 1) -> Tensor:
    return torch.randn(count, *blueprint.image, generator=torch.Generator().manual_seed(seed))


def own(network: Network, node: Node) -> Tensors:
    return {spec.name: network.get_parameter(f"{node.name}.{spec.name}").detach() for spec in tensors(node)}


def channels(vector: Tensor) -> Tensor:
    return vector.double().view(-1, 1, 1)


def epilogue(node: Node, z: Tensor, shortcut: Tensor, values: Tensors, statistics: Statistics) -> Tensor:
    """`after` in float64, one step after the other as papers write them."""
    y = z.double()
    for site, step in node.steps:
        if step == "norm":
            mean, var = (channels(statistics[f"{node.name}.{site}.{m}"]) for m in ("mean", "var"))
            y = (y - mean) / (var + NORM_EPS).sqrt()
            y = y * channels(values[f"{site}.gain"]) + channels(values[f"{site}.bias"])
        elif step == "scale":
            y = y * channels(values["scale"])
        elif step == "add":
            y = y + shortcut.double()
        elif step == "relu":
            y = y.clamp(min=0)
        else:
            shifted = step == "rprelu"
            y = y + channels(values[f"{site}.shift_in"]) if shifted else y
            y = torch.where(y >= 0, y, y * channels(values[f"{site}.slope"]))
            y = y + channels(values[f"{site}.shift_out"]) if shifted else y
    return y


@pytest.mark.parametrize("after", AFTERS, ids="-".join)
def test_every_form_of_after_is_folded_as_it_is_written(after: tuple[NodeStep, ...]) -> None:
    inputs = (0, 0) if "add" in after else (0,)
    node = conv(inputs=inputs, shape=(4, 7, 5), after=after)
    network, statistics = shaken(drawn(node))
    x = pictures(network.blueprint)
    folded = fold(node, own(network, node), statistics)
    assert isinstance(folded.before, Threshold)
    z = operate(node, [folded.before(x)], folded.weight)
    assert torch.equal(z, z.round())
    expected = epilogue(node, z, x, own(network, node), statistics)
    found = network(x).view_as(expected)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("after", AFTERS, ids="-".join)
def test_training_and_inference_agree_on_one_batch(after: tuple[NodeStep, ...]) -> None:
    inputs = (0, 0) if "add" in after else (0,)
    node = conv(inputs=inputs, shape=(4, 7, 5), weight_bits=32, input_bits=32, before=("norm",), after=after)
    network, _ = shaken(drawn(node))
    x = pictures(network.blueprint, 8)
    trained = network.train()(x)
    network.set_statistics(calibrate(network.run, x, len(x)))
    scale = trained.abs().max().item()
    torch.testing.assert_close(network.eval()(x), trained, rtol=1e-5, atol=1e-5 * scale)


def dense_of(weight: Tensor, groups: int) -> Tensor:
    """The dense filters of a group convolution: row c keeps block c mod groups, the rest is 0."""
    rows, fan_in, kernel, _ = weight.shape
    dense = torch.zeros(rows, fan_in * groups, kernel, kernel)
    for c in range(rows):
        block = c % groups
        dense[c, block * fan_in : (block + 1) * fan_in] = weight[c]
    return dense


@given(
    st.sampled_from([1, 2, 4]),
    st.sampled_from([1, 3, 5]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([1, 2]),
    st.sampled_from([0, 1]),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_a_group_convolution_is_a_masked_dense_one(
    groups: int, kernel: int, stride: int, dilation: int, pad: int, height: int, width: int
) -> None:
    shape = (12, -(-height // stride), -(-width // stride))
    node = conv(shape=shape, cin=8, kernel=kernel, stride=stride, dilation=dilation, groups=groups, pad=pad)
    blueprint = drawn(node, image=(8, height, width))
    generator = torch.Generator().manual_seed(kernel + 10 * height + 100 * width)
    signs = torch.tensor([-1.0, 1.0])
    x = signs[torch.randint(2, (2, 8, height, width), generator=generator)]
    weight = signs[torch.randint(2, tensors(node)[0].shape, generator=generator)]
    border = dilation * (kernel - 1) // 2
    padded = F.pad(x, (border,) * 4, value=pad)
    expected = F.conv2d(padded, dense_of(weight, groups), stride=stride, dilation=dilation)
    found = operate(node, [x], weight)
    assert found.shape[1:] == blueprint.nodes[1].shape
    assert torch.equal(found, expected)


def windows(x: Tensor, kernel: int, stride: int, join: str) -> Tensor:
    """A pool, window by window: odd ones are centred, even ones tile; outside the map there is nothing."""
    *lead, height, width = x.shape
    out = torch.empty(*lead, -(-height // stride), -(-width // stride))
    before = (kernel - 1) // 2 if kernel % 2 else 0
    for i, j in np.ndindex(*out.shape[-2:]):
        top, left = i * stride - before, j * stride - before
        part = x[..., max(top, 0) : top + kernel, max(left, 0) : left + kernel]
        out[..., i, j] = part.amax((-2, -1)) if join == "pool_max" else part.mean((-2, -1))
    return out


@pytest.mark.parametrize("op", ["pool_avg", "pool_max"])
@given(
    st.sampled_from([(1, 1), (2, 2), (3, 1), (3, 2), (3, 3), (5, 2)]), st.integers(1, 9), st.integers(1, 9)
)
def test_a_pool_is_what_its_windows_say(
    op: str, kernel_stride: tuple[int, int], height: int, width: int
) -> None:
    kernel, stride = kernel_stride
    shape = (4, -(-height // stride), -(-width // stride))
    node = Node("pool", op, (0,), shape, kernel=kernel, stride=stride)  # type: ignore[arg-type]
    network = Network(drawn(node, image=(4, height, width)))
    x = pictures(network.blueprint)
    found = network.train()(x).view(-1, *shape)
    torch.testing.assert_close(found, windows(x, kernel, stride, op))


def test_pools_take_steps_after() -> None:
    node = Node("pool", "pool_max", (0,), (4, 4, 3), kernel=3, stride=2, after=("norm",))
    network, statistics = shaken(drawn(node))
    x = pictures(network.blueprint)
    expected = epilogue(node, windows(x, 3, 2, "pool_max"), x, own(network, node), statistics)
    torch.testing.assert_close(network(x).view_as(expected).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (Node("tile", "tile", (0,), (10, 7, 5)), lambda x: torch.cat([x, x, x[:, :2]], 1)),
        (Node("tile", "tile", (0,), (3, 7, 5)), lambda x: x[:, :3]),
        (Node("concat", "concat", (0, 0), (8, 7, 5)), lambda x: torch.cat([x, x], 1)),
        (Node("sum", "sum", (0, 0, 0), (4, 7, 5)), lambda x: x + x + x),
        (Node("mean", "mean", (0,), (4, 1, 1)), lambda x: x.mean((2, 3), keepdim=True)),
    ],
    ids=["tile", "cut", "concat", "sum", "mean"],
)
def test_joins(node: Node, expected) -> None:  # type: ignore[no-untyped-def]
    network = Network(drawn(node)).train()
    x = pictures(network.blueprint)
    torch.testing.assert_close(network(x).view(-1, *node.shape), expected(x))  # a mean rounds by its layout


def test_a_shortcut_around_a_sum_trains_in_the_types_of_a_gpu() -> None:
    stem = conv(name="stem", shape=(4, 7, 5), after=("norm",))
    joined = Node("sum", "sum", (1, 1), (4, 7, 5))
    block = conv(name="block", inputs=(2, 2), shape=(4, 7, 5), after=("norm", "add", "rprelu"))
    network = Network(drawn(stem, joined, block)).train()
    with torch.autocast("cpu", torch.bfloat16), GpuAutocast():
        loss = network(pictures(network.blueprint)).square().mean()
    loss.backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()


def test_a_sum_has_the_type_of_its_maps() -> None:
    maps = [torch.randn(2, 4, 7, 5).bfloat16() for _ in range(2)]
    with GpuAutocast():
        assert operate(Node("sum", "sum", (0, 0), (4, 7, 5)), maps, None).dtype == torch.bfloat16


@pytest.mark.parametrize("bits", [1, 32])
def test_a_dense_layer_adds_its_bias(bits: int) -> None:
    node = Node("dense", "dense", (0,), (3, 1, 1), cin=4, weight_bits=bits, input_bits=bits)
    network, _ = shaken(drawn(node, image=(4, 1, 1)))
    x = pictures(network.blueprint)
    weight, bias = (own(network, node)[name] for name in ("weight", "bias"))
    if bits == 1:
        inputs = torch.where(x >= 0, 1.0, -1.0).flatten(1)
        weight = torch.where(weight >= weight.mean(1, keepdim=True), 1.0, -1.0)
    else:
        inputs = x.flatten(1)
    torch.testing.assert_close(network(x), inputs @ weight.T + bias)
    torch.testing.assert_close(network.train()(x), network.eval()(x))


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_a_norm_before_a_sign_is_a_threshold(seed: int) -> None:
    node = conv(before=("norm",), shape=(4, 7, 5))
    network, statistics = shaken(drawn(node), seed)
    values = dict(own(network, node))
    values["before.gain"] = values["before.gain"].clone()
    values["before.gain"][seed % 4] = 0.0
    x = pictures(network.blueprint, seed=seed)
    threshold = fold(node, values, statistics).before
    assert isinstance(threshold, Threshold)
    mean, var = (channels(statistics[f"conv.before.{moment}"]) for moment in ("mean", "var"))
    normed = (x.double() - mean) / (var + NORM_EPS).sqrt()
    normed = normed * channels(values["before.gain"]) + channels(values["before.bias"])
    found = threshold(x)
    assert set(found.flatten().tolist()) <= {-1.0, 1.0}
    # Within rounding of the threshold both signs are right.
    clear = normed.abs() > 1e-5
    assert torch.equal(found[clear], torch.where(normed >= 0, 1.0, -1.0)[clear])


@pytest.mark.parametrize(("bias", "constant"), [(0.5, 1.0), (0.0, 1.0), (-0.0, 1.0), (-0.5, -1.0)])
def test_a_norm_without_gain_gives_a_constant_sign(bias: float, constant: float) -> None:
    node = conv(before=("norm",), shape=(4, 7, 5))
    network, statistics = shaken(drawn(node))
    values = own(network, node) | {"before.gain": torch.zeros(4), "before.bias": torch.full((4,), bias)}
    before = fold(node, values, statistics).before
    assert before is not None
    assert before(pictures(network.blueprint)).unique().tolist() == [constant]


@given(st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4), st.floats(-3, 3, width=32))
def test_a_shift_before_a_sign_is_a_threshold_to_the_last_bit(shifts: list[float], value: float) -> None:
    node = conv(before=("shift",), shape=(4, 7, 5))
    network, statistics = shaken(drawn(node))
    values = own(network, node) | {"shift": torch.tensor(shifts)}
    before = fold(node, values, statistics).before
    assert before is not None
    x = torch.tensor([[value, 0.0, -shifts[2], -shifts[3]]])[:, :, None, None]
    expected = torch.where(x + channels(values["shift"]).float() >= 0, 1.0, -1.0)
    assert torch.equal(before(x), expected)


@pytest.mark.parametrize("step", ["norm", "shift"])
def test_steps_before_a_real_convolution_are_affine(step: NodeStep) -> None:
    node = conv(before=(step,), weight_bits=32, input_bits=32, shape=(4, 7, 5))
    network, statistics = shaken(drawn(node))
    x = pictures(network.blueprint)
    values = own(network, node)
    if step == "norm":
        mean, var = (channels(statistics[f"conv.before.{moment}"]) for moment in ("mean", "var"))
        moved = (x.double() - mean) / (var + NORM_EPS).sqrt()
        moved = moved * channels(values["before.gain"]) + channels(values["before.bias"])
    else:
        moved = x.double() + channels(values["shift"])
    expected = F.conv2d(moved, values["weight"].double(), padding=1)
    torch.testing.assert_close(network(x).view_as(expected).double(), expected, rtol=1e-4, atol=1e-4)


def test_statistics_are_given_or_the_network_says_so() -> None:
    network = Network(drawn(conv(shape=(4, 7, 5), after=("norm",)))).eval()
    x = pictures(network.blueprint)
    with pytest.raises(RuntimeError, match="no statistics"):
        network(x)
    with pytest.raises(ValueError, match=r"conv\.norm\.mean"):
        network.set_statistics({"conv.norm.var": torch.ones(4)})
    network.set_statistics(calibrate(network.run, x, 3))
    assert network(x).shape == (3, 4 * 7 * 5)


def test_real_weights_are_standardised_and_not_signed() -> None:
    node = conv(shape=(4, 7, 5))
    network, _ = shaken(drawn(node))
    x = pictures(network.blueprint)
    latent = own(network, node)["weight"]
    centred = latent - latent.mean((1, 2, 3), keepdim=True)
    standard = centred / latent.std((1, 2, 3), correction=0, keepdim=True)
    expected = F.conv2d(torch.where(x >= 0, 1.0, -1.0), standard, padding=1)
    found = network(x, Mode("real")).view_as(expected)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_maps_are_let_go_after_their_last_reader() -> None:
    # One node reads a map twice, another one reads it last of all.
    blueprint = drawn(
        conv(name="a", inputs=(0, 0), shape=(4, 7, 5), after=("norm", "add")),
        Node("b", "sum", (1, 1), (4, 7, 5)),
        Node("c", "concat", (2, 0), (8, 7, 5)),
    )
    network = Network(blueprint).train()
    assert network(pictures(blueprint)).shape == (3, 8 * 7 * 5)


def without_values(node: Node) -> dict[str, Tensor]:
    return {spec.name: torch.empty(spec.shape, device="meta") for spec in tensors(node)}


def counted(blueprint: Blueprint) -> int:
    images = torch.empty(2, *blueprint.image, device="meta")
    with FlopCounterMode(display=False) as counter:
        execute(blueprint, images, without_values, BatchStatistics())
    return int(counter.get_total_flops()) // 2 // 2  # two images, two operations a MAC


@given(st.data())
@settings(max_examples=15)
def test_the_cost_is_what_torch_counts(data: st.DataObject) -> None:
    space = data.draw(spaces)
    architecture = data.draw(architectures(space))
    found = cost(space.draw(architecture))
    assert counted(space.draw(architecture)) == found.bops + found.flops


@pytest.mark.parametrize("end", ["smallest", "largest"])
@pytest.mark.parametrize("name", SPACES)
def test_the_cost_of_the_ends_is_what_torch_counts(name: str, end: str) -> None:
    space = SPACES[name]
    blueprint = space.draw(getattr(space, end)())
    found = cost(blueprint)
    assert counted(blueprint) == found.bops + found.flops


def test_sites_of_collected_moments_are_those_of_the_network() -> None:
    node = conv(before=("norm",), after=("norm", "prelu", "norm"))
    moments: dict[str, Tensor] = {}
    network = Network(drawn(node))
    network.run(pictures(network.blueprint), BatchStatistics(moments))
    names = {f"conv.{site}.{moment}" for site, _ in norms(node) for moment in ("mean", "var")}
    assert set(moments) == names == set(network.statistics)


def test_the_batch_has_no_say_in_given_statistics() -> None:
    node = conv(shape=(4, 7, 5), after=("norm", "rprelu"))
    network, statistics = shaken(drawn(node))
    x = pictures(network.blueprint, 6)
    run = partial(network.run, norm=statistics)
    torch.testing.assert_close(torch.cat([run(part) for part in x.split(1)]), run(x))


@pytest.mark.parametrize("after", AFTERS, ids="-".join)
def test_gradients_pass_through_given_statistics(after: tuple[NodeStep, ...]) -> None:
    inputs = (0, 0) if "add" in after else (0,)
    node = conv(inputs=inputs, shape=(4, 7, 5), weight_bits=32, input_bits=32, after=after)
    network, _ = shaken(drawn(node))
    x = pictures(network.blueprint)
    with torch.no_grad():
        plain = network(x)
    found = network(x.requires_grad_())
    assert torch.equal(found, plain)
    found.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("pictured", [1, 3])
def test_maps_of_a_training_step_lie_channels_last(pictured: int) -> None:
    node = conv(shape=(4, 7, 5), cin=pictured, after=("norm", "rprelu"))
    network = Network(drawn(node, image=(pictured, 7, 5))).train()
    seen: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        seen.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(pictures(network.blueprint))
    normed = [tensor for tensor in seen if tensor.shape == (3, 4, 7, 5)]
    assert normed
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in normed)


def test_a_calibration_keeps_the_layout_of_its_images() -> None:
    network = Network(drawn(conv(shape=(4, 7, 5), after=("norm",)))).train()
    x = pictures(network.blueprint)
    z = operate(
        conv(shape=(4, 7, 5)),
        [torch.where(x >= 0, 1.0, -1.0)],
        torch.where(standardise(network.get_parameter("conv.weight").detach()) >= 0, 1.0, -1.0),
    )
    var, mean = torch.var_mean(z, (0, 2, 3), correction=0)
    found = calibrate(network.run, x, 3)
    assert torch.equal(found["conv.norm.mean"], mean)
    assert torch.equal(found["conv.norm.var"], var)
