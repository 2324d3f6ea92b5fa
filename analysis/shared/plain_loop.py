"""Training of a supernet as public repositories of the field write it, to compare the library with.

Everything is float32 and contiguous, signs and activations are composed of torch's own operations, Adam has
its default settings, and worker processes pad, crop and flip images one by one.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from evo_bnas.binary.execute import operate
from evo_bnas.binary.fold import NORM_EPS, Tensors
from evo_bnas.network.node import Node
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.supernet import Supernet

_STD_EPS = 1e-5


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """Images padded, cropped and flipped one by one, with their labels."""

    def __init__(self, images: Tensor, labels: Tensor, pad: int) -> None:
        self.images, self.labels, self.pad = images, labels, pad

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.images[index]
        height, width = image.shape[1:]
        top, left = torch.randint(2 * self.pad + 1, (2,)).tolist()
        image = F.pad(image, (self.pad,) * 4)[:, top : top + height, left : left + width]
        return image.flip(2) if torch.rand(()) < 0.5 else image, self.labels[index]


def batches(images: Tensor, labels: Tensor, batch: int, pad: int, workers: int) -> Iterator[list[Tensor]]:
    """Endless batches of images and labels, made by worker processes."""
    loader = DataLoader(
        Augmented(images, labels, pad),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    while True:
        yield from loader


def forward(supernet: Supernet, architecture: Architecture, images: Tensor) -> Tensor:
    """Logits of a sub-network with the statistics of the batch; raises ValueError for an unknown step."""
    blueprint, tensors_of = supernet.space.draw(architecture), supernet.slices()
    maps: list[Tensor] = []
    for node in blueprint.nodes:
        inputs = [maps[source] for source in node.inputs] or [images]
        maps.append(images if node.op == "image" else _node(node, inputs, tensors_of(node)))
    return maps[-1].flatten(1)


def _node(node: Node, inputs: list[Tensor], tensors: Tensors) -> Tensor:
    x, weight = inputs[0], tensors.get("weight")
    if "shift" in node.before:
        x = x + tensors["shift"][:, None, None]
    if node.input_bits == 1:
        x = _sign(x)
    if weight is not None and node.weight_bits == 1:
        weight = _sign(_standardised(weight))
    y = operate(node, [x, *inputs[1:]], weight)
    if "bias" in tensors:
        y = y + tensors["bias"][:, None, None]
    for site, step in node.steps:
        if step == "norm":
            gain, bias = tensors[f"{site}.gain"], tensors[f"{site}.bias"]
            y = F.batch_norm(y, None, None, gain, bias, training=True, eps=NORM_EPS)
        elif step == "add":
            y = y + inputs[1]
        elif step == "rprelu":
            shift_in, shift_out = (
                tensors[f"{site}.{name}"][:, None, None] for name in ("shift_in", "shift_out")
            )
            y = F.prelu(y + shift_in, tensors[f"{site}.slope"]) + shift_out
        else:
            raise ValueError(f"{node.name}: the plain loop does not implement {step}")
    return y


def _sign(x: Tensor) -> Tensor:
    """The values of a sign with the gradient of a clamp."""
    soft = x.clamp(-1, 1)
    return torch.where(x >= 0, 1.0, -1.0) - soft.detach() + soft


def _standardised(weight: Tensor) -> Tensor:
    dims = tuple(range(1, weight.dim()))
    centred = weight - weight.mean(dims, keepdim=True)
    return centred / (centred.square().mean(dims, keepdim=True) + _STD_EPS**2).sqrt()
