"""The processes that train one network together: their parts of a batch, and how they average gradients."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Ranks:
    """One process of a training: its rank, and how many ranks there are.

    All ranks take the same steps, each with its part of every batch. They hold the same weights and sample
    the same architectures, since these depend only on seed and step; so a gradient that is missing on one
    rank is missing on all. Batch norm uses the statistics of the rank's own part.
    """

    rank: int = 0
    count: int = 1

    def part(self, batch: int) -> slice:
        """The images of a batch that belong to this rank; parts differ by at most one image."""
        assert batch >= self.count, f"{self.count} ranks share a batch of {batch}"
        return slice(batch * self.rank // self.count, batch * (self.rank + 1) // self.count)

    def average(self, parameters: Iterable[Tensor], loss: Tensor, share: float) -> Tensor:
        """Replace the gradients by those of the whole batch; returns its loss.

        `share` is the share of this rank's images in the batch. One exchange carries all gradients and the
        loss. A parameter that the step did not use keeps no gradient, so the optimizer skips it.
        """
        if self.count == 1:
            return loss
        used = [parameter for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([*(p.grad.flatten() for p in used if p.grad is not None), loss.reshape(1)])
        # Every rank receives the same sums, so the weights of all ranks stay equal to the last bit.
        torch.distributed.all_reduce(flat.mul_(share))
        *gradients, (loss,) = flat.split([*(p.numel() for p in used), 1])
        for parameter, gradient in zip(used, gradients, strict=True):
            parameter.grad = gradient.view_as(parameter)
        return loss


ALONE = Ranks()
