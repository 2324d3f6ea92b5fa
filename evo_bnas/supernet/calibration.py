"""Norm statistics of one network, measured on images and returned as a value."""

from typing import Protocol

import torch
from torch import Tensor

from evo_bnas.binary.execute import BatchStatistics
from evo_bnas.binary.fold import Statistics


class Forward(Protocol):
    """A network, or a supernet with a fixed architecture."""

    def __call__(self, images: Tensor, *, norm: BatchStatistics) -> Tensor: ...


class Sliced(Protocol):
    """Images that can be sliced: a tensor, or a split of a data set."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: slice, /) -> Tensor: ...


@torch.no_grad()
def calibrate(forward: Forward, images: Sliced, batch: int) -> Statistics:
    """For every norm, the mean over batches of the mean and the (biased) variance of its input, in float32.

    All batches have the same size; images beyond the last full batch are left out.
    """
    batch = min(batch, len(images))
    total: dict[str, Tensor] = {}
    count = len(images) // batch
    for start in range(0, count * batch, batch):
        moments: dict[str, Tensor] = {}
        forward(images[start : start + batch], norm=BatchStatistics(moments))
        total = {name: total[name] + value if total else value for name, value in moments.items()}
    return {name: value / count for name, value in total.items()}
