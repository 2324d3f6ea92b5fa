"""The interpreter on small blueprints, compared with direct computations."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evo_bnas.binary.execute import BatchStatistics, Mode, operate
from evo_bnas.binary.fold import NORM_EPS, Statistics, Tensors, Threshold, fold
from evo_bnas.binary.network import Network
from evo_bnas.binary.weights import standardise
from evo_bnas.network.cost import cost
from evo_bnas.network.node import Node, NodeStep, norms, tensors
from evo_bnas.supernet.calibration import calibrate
from tests.support.blueprints import AFTERS, blueprint_of, conv_node, macs_by_torch
from tests.support.maps import GpuAutocast
from tests.support.networks import random_images, random_network, tensors_of
from tests.support.strategies import SPACES, architectures, spaces


def channels(vector: Tensor) -> Tensor:
    return vector.double().view(-1, 1, 1)


def epilogue(node: Node, z: Tensor, shortcut: Tensor, values: Tensors, statistics: Statistics) -> Tensor:
    """The steps of `after` in float64, one after the other."""
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
def test_folding_every_order_of_steps_changes_nothing(after: tuple[NodeStep, ...]) -> None:
    inputs = (0, 0) if "add" in after else (0,)
    node = conv_node(inputs=inputs, shape=(4, 7, 5), after=after)
    network, statistics = random_network(blueprint_of(node))
    x = random_images(network.blueprint)
    folded = fold(node, tensors_of(network, node), statistics)
    assert isinstance(folded.before, Threshold)
    z = operate(node, [folded.before(x)], folded.weight)
    assert torch.equal(z, z.round())
    expected = epilogue(node, z, x, tensors_of(network, node), statistics)
    result = network(x).view_as(expected)
    torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("after", AFTERS, ids="-".join)
def test_training_and_inference_agree_on_one_batch(after: tuple[NodeStep, ...]) -> None:
    inputs = (0, 0) if "add" in after else (0,)
    node = conv_node(
        inputs=inputs, shape=(4, 7, 5), weight_bits=32, input_bits=32, before=("norm",), after=after
    )
    network, _ = random_network(blueprint_of(node))
    x = random_images(network.blueprint, 8)
    trained = network.train()(x)
    network.set_statistics(calibrate(network.run, x, len(x)))
    scale = trained.abs().max().item()
    torch.testing.assert_close(network.eval()(x), trained, rtol=1e-5, atol=1e-5 * scale)


def dense_of(weight: Tensor, groups: int) -> Tensor:
    """The dense filters of a group convolution: row c keeps block c mod groups, and the rest is 0."""
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
    node = conv_node(
        shape=shape, cin=8, kernel=kernel, stride=stride, dilation=dilation, groups=groups, pad=pad
    )
    blueprint = blueprint_of(node, image=(8, height, width))
    generator = torch.Generator().manual_seed(kernel + 10 * height + 100 * width)
    signs = torch.tensor([-1.0, 1.0])
    x = signs[torch.randint(2, (2, 8, height, width), generator=generator)]
    weight = signs[torch.randint(2, tensors(node)[0].shape, generator=generator)]
    border = dilation * (kernel - 1) // 2
    padded = F.pad(x, (border,) * 4, value=pad)
    expected = F.conv2d(padded, dense_of(weight, groups), stride=stride, dilation=dilation)
    result = operate(node, [x], weight)
    assert result.shape[1:] == blueprint.nodes[1].shape
    assert torch.equal(result, expected)


def windows(x: Tensor, kernel: int, stride: int, join: str) -> Tensor:
    """A pool computed window by window, without padding.

    A window of odd size is centred on its pixel; one of even size starts at it.
    """
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
def test_a_pool_equals_its_reduction_window_by_window(
    op: str, kernel_stride: tuple[int, int], height: int, width: int
) -> None:
    kernel, stride = kernel_stride
    shape = (4, -(-height // stride), -(-width // stride))
    node = Node("pool", op, (0,), shape, kernel=kernel, stride=stride)  # type: ignore[arg-type]
    network = Network(blueprint_of(node, image=(4, height, width)))
    x = random_images(network.blueprint)
    result = network.train()(x).view(-1, *shape)
    torch.testing.assert_close(result, windows(x, kernel, stride, op))


def test_a_pool_applies_its_steps() -> None:
    node = Node("pool", "pool_max", (0,), (4, 4, 3), kernel=3, stride=2, after=("norm",))
    network, statistics = random_network(blueprint_of(node))
    x = random_images(network.blueprint)
    expected = epilogue(node, windows(x, 3, 2, "pool_max"), x, tensors_of(network, node), statistics)
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
def test_tiles_joins_and_means_equal_torch(node: Node, expected) -> None:  # type: ignore[no-untyped-def]
    network = Network(blueprint_of(node)).train()
    x = random_images(network.blueprint)
    torch.testing.assert_close(network(x).view(-1, *node.shape), expected(x))


def test_a_shortcut_around_a_sum_trains_under_the_autocast_of_a_gpu() -> None:
    stem = conv_node(name="stem", shape=(4, 7, 5), after=("norm",))
    joined = Node("sum", "sum", (1, 1), (4, 7, 5))
    block = conv_node(name="block", inputs=(2, 2), shape=(4, 7, 5), after=("norm", "add", "rprelu"))
    network = Network(blueprint_of(stem, joined, block)).train()
    with torch.autocast("cpu", torch.bfloat16), GpuAutocast():
        loss = network(random_images(network.blueprint)).square().mean()
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
    network, _ = random_network(blueprint_of(node, image=(4, 1, 1)))
    x = random_images(network.blueprint)
    weight, bias = (tensors_of(network, node)[name] for name in ("weight", "bias"))
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
    node = conv_node(before=("norm",), shape=(4, 7, 5))
    network, statistics = random_network(blueprint_of(node), seed)
    values = dict(tensors_of(network, node))
    values["before.gain"] = values["before.gain"].clone()
    values["before.gain"][seed % 4] = 0.0
    x = random_images(network.blueprint, seed=seed)
    threshold = fold(node, values, statistics).before
    assert isinstance(threshold, Threshold)
    mean, var = (channels(statistics[f"conv.before.{moment}"]) for moment in ("mean", "var"))
    normed = (x.double() - mean) / (var + NORM_EPS).sqrt()
    normed = normed * channels(values["before.gain"]) + channels(values["before.bias"])
    result = threshold(x)
    assert set(result.flatten().tolist()) <= {-1.0, 1.0}
    # Close to the threshold, rounding allows both signs.
    clear = normed.abs() > 1e-5
    assert torch.equal(result[clear], torch.where(normed >= 0, 1.0, -1.0)[clear])


@pytest.mark.parametrize(("bias", "constant"), [(0.5, 1.0), (0.0, 1.0), (-0.0, 1.0), (-0.5, -1.0)])
def test_a_norm_with_zero_gain_gives_a_constant_sign(bias: float, constant: float) -> None:
    node = conv_node(before=("norm",), shape=(4, 7, 5))
    network, statistics = random_network(blueprint_of(node))
    values = tensors_of(network, node) | {
        "before.gain": torch.zeros(4),
        "before.bias": torch.full((4,), bias),
    }
    before = fold(node, values, statistics).before
    assert before is not None
    assert before(random_images(network.blueprint)).unique().tolist() == [constant]


@given(st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4), st.floats(-3, 3, width=32))
def test_a_shift_before_a_sign_is_an_exact_threshold(shifts: list[float], value: float) -> None:
    node = conv_node(before=("shift",), shape=(4, 7, 5))
    network, statistics = random_network(blueprint_of(node))
    values = tensors_of(network, node) | {"shift": torch.tensor(shifts)}
    before = fold(node, values, statistics).before
    assert before is not None
    x = torch.tensor([[value, 0.0, -shifts[2], -shifts[3]]])[:, :, None, None]
    expected = torch.where(x + channels(values["shift"]).float() >= 0, 1.0, -1.0)
    assert torch.equal(before(x), expected)


@pytest.mark.parametrize("step", ["norm", "shift"])
def test_steps_before_a_real_convolution_are_affine(step: NodeStep) -> None:
    node = conv_node(before=(step,), weight_bits=32, input_bits=32, shape=(4, 7, 5))
    network, statistics = random_network(blueprint_of(node))
    x = random_images(network.blueprint)
    values = tensors_of(network, node)
    if step == "norm":
        mean, var = (channels(statistics[f"conv.before.{moment}"]) for moment in ("mean", "var"))
        moved = (x.double() - mean) / (var + NORM_EPS).sqrt()
        moved = moved * channels(values["before.gain"]) + channels(values["before.bias"])
    else:
        moved = x.double() + channels(values["shift"])
    expected = F.conv2d(moved, values["weight"].double(), padding=1)
    torch.testing.assert_close(network(x).view_as(expected).double(), expected, rtol=1e-4, atol=1e-4)


def test_a_network_without_its_statistics_refuses_to_run() -> None:
    network = Network(blueprint_of(conv_node(shape=(4, 7, 5), after=("norm",)))).eval()
    x = random_images(network.blueprint)
    with pytest.raises(RuntimeError, match="no statistics"):
        network(x)
    with pytest.raises(ValueError, match=r"conv\.norm\.mean"):
        network.set_statistics({"conv.norm.var": torch.ones(4)})
    network.set_statistics(calibrate(network.run, x, 3))
    assert network(x).shape == (3, 4 * 7 * 5)


def test_the_real_mode_standardises_weights_without_a_sign() -> None:
    node = conv_node(shape=(4, 7, 5))
    network, _ = random_network(blueprint_of(node))
    x = random_images(network.blueprint)
    latent = tensors_of(network, node)["weight"]
    centred = latent - latent.mean((1, 2, 3), keepdim=True)
    standard = centred / latent.std((1, 2, 3), correction=0, keepdim=True)
    expected = F.conv2d(torch.where(x >= 0, 1.0, -1.0), standard, padding=1)
    result = network(x, Mode("real")).view_as(expected)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)


def test_a_map_stays_until_its_last_reader() -> None:
    # The first node reads the image twice, and the last node reads it again.
    blueprint = blueprint_of(
        conv_node(name="a", inputs=(0, 0), shape=(4, 7, 5), after=("norm", "add")),
        Node("b", "sum", (1, 1), (4, 7, 5)),
        Node("c", "concat", (2, 0), (8, 7, 5)),
    )
    network = Network(blueprint).train()
    assert network(random_images(blueprint)).shape == (3, 8 * 7 * 5)


@given(st.data())
@settings(max_examples=15)
def test_bops_and_flops_equal_the_macs_that_torch_counts(data: st.DataObject) -> None:
    space = data.draw(spaces)
    architecture = data.draw(architectures(space))
    counted = cost(space.draw(architecture))
    assert macs_by_torch(space.draw(architecture)) == counted.bops + counted.flops


@pytest.mark.parametrize("end", ["smallest", "largest"])
@pytest.mark.parametrize("name", SPACES)
def test_bops_and_flops_of_the_ends_equal_the_macs_that_torch_counts(name: str, end: str) -> None:
    space = SPACES[name]
    blueprint = space.draw(getattr(space, end)())
    counted = cost(blueprint)
    assert macs_by_torch(blueprint) == counted.bops + counted.flops


def test_collected_moments_have_the_names_of_the_statistics() -> None:
    node = conv_node(before=("norm",), after=("norm", "prelu", "norm"))
    moments: dict[str, Tensor] = {}
    network = Network(blueprint_of(node))
    network.run(random_images(network.blueprint), BatchStatistics(moments))
    names = {f"conv.{site}.{moment}" for site, _ in norms(node) for moment in ("mean", "var")}
    assert set(moments) == names == set(network.statistics)


def test_with_given_statistics_images_do_not_affect_each_other() -> None:
    node = conv_node(shape=(4, 7, 5), after=("norm", "rprelu"))
    network, statistics = random_network(blueprint_of(node))
    x = random_images(network.blueprint, 6)
    run = partial(network.run, norm=statistics)
    torch.testing.assert_close(torch.cat([run(part) for part in x.split(1)]), run(x))


@pytest.mark.parametrize("after", AFTERS, ids="-".join)
def test_gradients_pass_through_given_statistics(after: tuple[NodeStep, ...]) -> None:
    inputs = (0, 0) if "add" in after else (0,)
    node = conv_node(inputs=inputs, shape=(4, 7, 5), weight_bits=32, input_bits=32, after=after)
    network, _ = random_network(blueprint_of(node))
    x = random_images(network.blueprint)
    with torch.no_grad():
        plain = network(x)
    result = network(x.requires_grad_())
    assert torch.equal(result, plain)
    result.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("image_channels", [1, 3])
def test_maps_of_a_training_step_are_channels_last(image_channels: int) -> None:
    node = conv_node(shape=(4, 7, 5), cin=image_channels, after=("norm", "rprelu"))
    network = Network(blueprint_of(node, image=(image_channels, 7, 5))).train()
    seen: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        seen.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(random_images(network.blueprint))
    normed = [tensor for tensor in seen if tensor.shape == (3, 4, 7, 5)]
    assert normed
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in normed)


def test_calibration_keeps_the_layout_of_its_images() -> None:
    network = Network(blueprint_of(conv_node(shape=(4, 7, 5), after=("norm",)))).train()
    x = random_images(network.blueprint)
    z = operate(
        conv_node(shape=(4, 7, 5)),
        [torch.where(x >= 0, 1.0, -1.0)],
        torch.where(standardise(network.get_parameter("conv.weight").detach()) >= 0, 1.0, -1.0),
    )
    var, mean = torch.var_mean(z, (0, 2, 3), correction=0)
    result = calibrate(network.run, x, 3)
    assert torch.equal(result["conv.norm.mean"], mean)
    assert torch.equal(result["conv.norm.var"], var)
