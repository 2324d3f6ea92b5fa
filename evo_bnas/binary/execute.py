"""The interpreter of blueprints, for networks and supernets, which differ only in the source of tensors."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from evo_bnas.binary.channels import per_channel, shifted
from evo_bnas.binary.fold import NORM_EPS, Statistics, Tensors, activate, fold, part
from evo_bnas.binary.sign import STE, Approx, Gradient, SignGradient, Ste, Tanh, rsign, sign
from evo_bnas.binary.weights import Weights, effective
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import ACTIVATIONS, Node

TensorsOf = Callable[[Node], Tensors]


@dataclass(frozen=True, slots=True)
class Mode:
    """The behaviour of 1-bit weights and signs."""

    weights: Weights = "binary"
    sign_gradient: SignGradient = "approx"  # of activations; tanh also applies to weights
    t: float = 1.0  # steepness of tanh
    clip: float = 1.0  # the gradient of ste is 0 for activations further from 0

    @property
    def activation_gradient(self) -> Gradient:
        match self.sign_gradient:
            case "ste":
                return Ste(self.clip)
            case "approx":
                return Approx()
            case "tanh":
                return Tanh(self.t)

    @property
    def weight_gradient(self) -> Gradient:
        """Straight-through, except with IR-Net's tanh, which applies to weights and activations."""
        return self.activation_gradient if self.sign_gradient == "tanh" else STE


@dataclass(frozen=True, slots=True)
class BatchStatistics:
    """Normalise by the statistics of the batch, and collect them in `moments` if given."""

    moments: dict[str, Tensor] | None = None

    def __call__(self, site: str, x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        if self.moments is not None:
            var, mean = torch.var_mean(x.detach().float(), (0, 2, 3), correction=0)
            self.moments.update({f"{site}.mean": mean, f"{site}.var": var})
        return F.batch_norm(x, None, None, gain, bias, training=True, eps=NORM_EPS)


Norm = BatchStatistics | Statistics
BINARY = Mode()


def execute(
    blueprint: Blueprint, images: Tensor, tensors_of: TensorsOf, norm: Norm, mode: Mode = BINARY
) -> Tensor:
    """Run a network: images (batch, channels, height, width) to logits (batch, classes).

    With `BatchStatistics` every step runs as in training; with given statistics every node runs folded.
    """
    training = isinstance(norm, BatchStatistics) and norm.moments is None
    maps: dict[int, Tensor] = {}
    for index, node in enumerate(blueprint.nodes):
        inputs = [maps[source] for source in node.inputs]
        if node.op == "image":
            # Norms are twice as fast in channels-last layout. Evaluation keeps the layout, since another
            # order of sums gives other rounding.
            out = images.clone(memory_format=torch.channels_last) if training else images
        elif isinstance(norm, BatchStatistics):
            out = _train(node, inputs, tensors_of(node), norm, mode)
        else:
            out = _infer(node, inputs, tensors_of(node), norm, mode)
        assert out.shape[1:] == node.shape, f"{node.name}: {tuple(out.shape)} is not {node.shape}"
        maps[index] = out
        for source in set(node.inputs):
            if blueprint.last_use[source] == index:
                del maps[source]  # frees the map after its last reader
    return out.flatten(1)


def _train(node: Node, inputs: list[Tensor], tensors: Tensors, norm: BatchStatistics, mode: Mode) -> Tensor:
    x = inputs[0]
    if "norm" in node.before:
        x = norm(f"{node.name}.before", x, tensors["before.gain"], tensors["before.bias"])
    if node.input_bits == 1:
        gradient = mode.activation_gradient
        x = rsign(x, tensors["shift"], gradient) if "shift" in node.before else sign(x, gradient)
    elif "shift" in node.before:
        x = shifted(x, tensors["shift"])
    weight = None
    if "weight" in tensors:
        weight = effective(tensors["weight"], node.weight_bits, mode.weights, mode.weight_gradient)
    y = operate(node, [x, *inputs[1:]], weight)
    if "bias" in tensors:
        y = y + tensors["bias"][:, None, None]  # not cast to the type of y, since logits must be float32
    for site, step in node.steps:
        if step == "norm":
            y = norm(f"{node.name}.{site}", y, tensors[f"{site}.gain"], tensors[f"{site}.bias"])
        elif step == "scale":
            y = y * per_channel(tensors["scale"], y)
        elif step == "add":
            y = y + inputs[1]
        elif step in ACTIVATIONS:
            y = activate(step, y, part(tensors, site))
    return y


def _infer(node: Node, inputs: list[Tensor], tensors: Tensors, statistics: Statistics, mode: Mode) -> Tensor:
    folded = fold(node, tensors, statistics, mode.weights)
    x = folded.before(inputs[0]) if folded.before else inputs[0]
    z = operate(node, [x, *inputs[1:]], folded.weight)
    return folded.epilogue(z, inputs[1] if folded.add else None)


def operate(node: Node, inputs: list[Tensor], weight: Tensor | None) -> Tensor:
    """The linear or pooling operation of a node."""
    x = inputs[0]
    match node.op:
        case "conv":
            assert weight is not None
            return _convolve(node, x, weight)
        case "dense":
            assert weight is not None
            return F.linear(x.flatten(1), weight)[:, :, None, None]
        case "pool_avg":
            return F.avg_pool2d(x, node.kernel, node.stride, *_pool_border(node), count_include_pad=False)
        case "pool_max":
            pad, ceil = _pool_border(node)
            return F.max_pool2d(x, node.kernel, node.stride, pad, ceil_mode=ceil)
        case "tile":
            channels = node.shape[0]
            times = -(-channels // x.shape[1])
            return torch.cat([x] * times, 1)[:, :channels]
        case "concat":
            return torch.cat(inputs, dim=1)
        case "sum":
            # Without a type, autocast on a GPU would sum in float32.
            return torch.stack(inputs).sum(0, dtype=inputs[0].dtype)
        case "mean":
            return x.mean((2, 3), keepdim=True)
        case "image":
            raise AssertionError("an image is not computed")


def _pool_border(node: Node) -> tuple[int, bool]:
    """Padding and ceil mode for an output of ceil(size / stride).

    A window of odd size is centred on its pixel; one of even size starts at it.
    """
    return ((node.kernel - 1) // 2, False) if node.kernel % 2 else (0, True)


def _convolve(node: Node, x: Tensor, weight: Tensor) -> Tensor:
    """Output channel c of a group convolution reads input block `c mod groups`.

    This is a group convolution with a channel shuffle: rows are sorted by blocks, and the result is put back
    into the order of the rows.
    """
    padding = node.dilation * (node.kernel - 1) // 2
    if node.pad and padding:
        x = F.pad(x, (padding,) * 4, value=float(node.pad))
        padding = 0
    if node.groups > 1:
        rows = weight.unflatten(0, (-1, node.groups)).transpose(0, 1).flatten(0, 1)
        y = F.conv2d(x, rows, None, node.stride, padding, node.dilation, node.groups)
        return torch.channel_shuffle(y, node.groups)
    return F.conv2d(x, weight, None, node.stride, padding, node.dilation)
