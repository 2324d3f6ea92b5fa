"""Networks of the chain spaces as a PyTorch module without a blueprint, to compare the interpreter with."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evo_bnas.binary.fold import NORM_EPS, Statistics
from evo_bnas.binary.prelu import rprelu
from evo_bnas.binary.sign import Approx, rsign, sign
from evo_bnas.binary.weights import standardise


class Norm(nn.Module):
    """A batch norm with the statistics of the batch in training, and fixed ones in evaluation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return F.batch_norm(x, None, None, self.gain, self.bias, training=True, eps=NORM_EPS)
        mean, var = self.get_buffer("mean"), self.get_buffer("var")
        return F.batch_norm(x, mean, var, self.gain, self.bias, eps=NORM_EPS)


class RPReLU(nn.Module):
    """A PReLU between two learned shifts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels,), 0.25))
        self.shift_in = nn.Parameter(torch.zeros(channels))
        self.shift_out = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return rprelu(x, self.slope, self.shift_in, self.shift_out)


class BinaryLayer(nn.Module):
    """Shift, sign, a 1-bit convolution with channel shuffle, norm, shortcut, RPReLU."""

    def __init__(self, cin: int, channels: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(cin))
        self.weight = nn.Parameter(torch.randn(channels, cin // groups, kernel, kernel))
        self.norm = Norm(channels)
        self.act = RPReLU(channels)
        self.stride, self.padding, self.groups = stride, kernel // 2, groups

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        weight = sign(standardise(self.weight))
        x = rsign(x, self.shift, Approx())
        x = F.conv2d(x, weight, None, self.stride, self.padding, groups=self.groups)
        if self.groups > 1:
            x = torch.channel_shuffle(x, self.groups)
        activated: Tensor = self.act(self.norm(x) + shortcut)
        return activated


class Block(nn.Module):
    """A k x k layer that keeps its channels, a 1 x 1 layer that widens them."""

    def __init__(self, cin: int, channels: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        self.spatial = BinaryLayer(cin, cin, kernel, stride, groups)
        self.pointwise = BinaryLayer(cin, channels, 1, 1, 1)
        self.stride, self.times, self.channels = stride, -(-channels // cin), channels

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.avg_pool2d(x, self.stride) if self.stride > 1 else x
        x = self.spatial(x, shortcut)
        shortcut = torch.cat([x] * self.times, 1)[:, : self.channels] if self.times > 1 else x
        widened: Tensor = self.pointwise(x, shortcut)
        return widened


class HandWritten(nn.Module):
    """A network of the chain spaces."""

    def __init__(
        self, image: int, stem: int, blocks: Sequence[tuple[int, int, int, int]], classes: int
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(image, stem, 3, padding=1, bias=False)
        self.norm = Norm(stem)
        layers = []
        for channels, kernel, stride, groups in blocks:
            layers.append(Block(stem, channels, kernel, stride, groups))
            stem = channels
        self.blocks = nn.Sequential(*layers)
        self.classifier = nn.Linear(stem, classes)

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            images = images.clone(memory_format=torch.channels_last)
        x = self.blocks(self.norm(self.stem(images)))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


def copy_into(hand_written: HandWritten, network: nn.Module, statistics: Statistics) -> None:
    """Give the hand-written module the tensors of a network; both list them in the order of the layers."""
    with torch.no_grad():
        for theirs, ours in zip(hand_written.parameters(), network.parameters(), strict=True):
            theirs.copy_(ours.view_as(theirs))
        for layer in hand_written.modules():
            if isinstance(layer, BinaryLayer):
                # The blueprint's rows are in the order of the shuffled output, torch's in that of the groups.
                rows = layer.weight.unflatten(0, (-1, layer.groups)).transpose(0, 1).flatten(0, 1)
                layer.weight.copy_(rows.clone())
        for buffer, value in zip(hand_written.buffers(), statistics.values(), strict=True):
            buffer.copy_(value)
