"""The training loop: Adam, cosine, device-resident images, exact resume."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evo_bnas.blueprint import Node, tensors
from evo_bnas.interrupt import deferred
from evo_bnas.progress import Progress, Report
from evo_bnas.train.augment import Augmentation
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.randomness import Stream, generator, torch_generator

# One training step's loss, already propagated backward: images, labels, step -> loss.
Backward = Callable[[Tensor, Tensor, int], Tensor]


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a training does, besides its loss."""

    epochs: int
    batch: int
    lr: float  # of the first step; falls to 0 as a cosine
    decay: float  # L2 of latent binary weights, and of nothing else
    seed: int
    augmentation: Augmentation = field(default_factory=Augmentation)

    def steps_per_epoch(self, images: int) -> int:
        """Whole batches of an epoch; images that do not fill the last one are left out of it."""
        return max(images // self.batch, 1)

    def lr_at(self, step: int, steps: int) -> float:
        """The learning rate of one step."""
        return self.lr * 0.5 * (1 + math.cos(math.pi * step / steps))


def train(
    stage: str,
    parameters: Mapping[str, Tensor],
    latent: frozenset[str],
    backward: Backward,
    images: Tensor,
    labels: Tensor,
    schedule: Schedule,
    *,
    checkpoint: Checkpoint,
    report: Report,
) -> None:
    """Train the parameters in place, from the checkpoint on where there is one.

    `latent` names the parameters that become binary; they alone decay. The loss of the last step of each
    epoch and the speed are reported. A finished training leaves its checkpoint: remove it once the result
    is saved.
    """
    optimizer = _adam(parameters, latent, schedule)
    per_epoch = schedule.steps_per_epoch(len(images))
    steps = schedule.epochs * per_epoch
    step = first = checkpoint.restore(parameters, optimizer)
    started = time.monotonic()
    with deferred() as interrupted:
        while step < steps:
            epoch, within = divmod(step, per_epoch)
            chosen = _batch(schedule, len(images), epoch, within).to(images.device)
            noise = torch_generator(schedule.seed, Stream.AUGMENTATION, step, images.device)
            for group in optimizer.param_groups:
                group["lr"] = schedule.lr_at(step, steps)
            optimizer.zero_grad(set_to_none=True)
            loss = backward(schedule.augmentation(images[chosen], noise), labels[chosen], step)
            optimizer.step()
            step += 1
            if step % per_epoch == 0:
                speed = (step - first) * len(chosen) / (time.monotonic() - started)
                figures = f"loss {loss.item():.3f}, {speed:,.0f} images/s"
                report(Progress(stage, step // per_epoch, schedule.epochs, "epochs", figures))
            if checkpoint.due or interrupted() or step == steps:
                checkpoint.save(step, parameters, optimizer)
            if interrupted():
                raise KeyboardInterrupt


def _batch(schedule: Schedule, images: int, epoch: int, within: int) -> Tensor:
    """Indices of one batch: each epoch has its own order."""
    order = generator(schedule.seed, Stream.ORDER, epoch).permutation(images)
    return torch.from_numpy(order[within * schedule.batch : (within + 1) * schedule.batch])


def latent_weights(nodes: Iterable[Node]) -> frozenset[str]:
    """Addresses of the tensors that become binary."""
    return frozenset(f"{node.name}.{spec.name}" for node in nodes for spec in tensors(node) if spec.bits == 1)


def _adam(
    parameters: Mapping[str, Tensor], latent: frozenset[str], schedule: Schedule
) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for name, p in parameters.items() if name in latent], "weight_decay": schedule.decay},
        {"params": [p for name, p in parameters.items() if name not in latent], "weight_decay": 0.0},
    ]
    return torch.optim.Adam(groups, lr=schedule.lr, fused=True)
