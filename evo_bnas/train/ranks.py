"""The processes that train one network together: who does which part of a batch, and what they exchange."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Ranks:
    """One of the processes of a training; all take the same steps, each with its part of every batch.

    They hold the same weights and draw the same architectures, since these follow from seed and step, so a
    gradient that is missing on one is missing on all. Batch norm is over the rank's own part.
    """

    rank: int = 0
    count: int = 1

    def part(self, batch: int) -> slice:
        """Which images of a batch are this rank's; the parts differ by one image at most."""
        assert batch >= self.count, f"{self.count} ranks share a batch of {batch}"
        return slice(batch * self.rank // self.count, batch * (self.rank + 1) // self.count)

    def average(self, parameters: Iterable[Tensor], loss: Tensor, share: float) -> Tensor:
        """Make the gradients those of the whole batch; returns its loss.

        `share` is that of this rank's images in the batch. One exchange carries all gradients and the loss.
        A parameter that the step did not use has none afterwards either: the optimizer passes it over.
        """
        if self.count == 1:
            return loss
        used = [parameter for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([*(p.grad.flatten() for p in used if p.grad is not None), loss.reshape(1)])
        # Every rank receives the same sums, so weights stay equal to the last bit.
        torch.distributed.all_reduce(flat.mul_(share))
        *gradients, (loss,) = flat.split([*(p.numel() for p in used), 1])
        for parameter, gradient in zip(used, gradients, strict=True):
            parameter.grad = gradient.view_as(parameter)
        return loss


ALONE = Ranks()
