"""The training loop: Adam, cosine, device-resident images, exact resume."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from evo_bnas.data.dataset import Images
from evo_bnas.interrupt import deferred
from evo_bnas.network.node import Node, tensors
from evo_bnas.progress import Progress, Report
from evo_bnas.train.augment import augment
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.randomness import Stream, generator, torch_generator
from evo_bnas.train.ranks import ALONE, Ranks
from evo_bnas.train.settings import NO_AUGMENTATION, AugmentationSettings, TrainingSettings

# One training step's loss, already propagated backward: images, labels, step -> loss.
Backward = Callable[[Tensor, Tensor, int], Tensor]


@dataclass(frozen=True, slots=True)
class Schedule:
    """One stage of a training: its settings, its length, its seed."""

    settings: TrainingSettings
    epochs: int
    seed: int
    augment: AugmentationSettings = NO_AUGMENTATION

    def steps_per_epoch(self, images: int) -> int:
        """Whole batches of an epoch; images that do not fill the last one are left out of it."""
        return max(images // self.settings.batch, 1)

    def steps(self, images: int) -> int:
        """Steps of the whole training."""
        return self.epochs * self.steps_per_epoch(images)

    def lr_at(self, step: int, steps: int) -> float:
        """The learning rate of one step; the first one after the warm-up is the highest."""
        rise = steps * self.settings.warm_up // self.epochs
        if step < rise:
            return self.settings.lr * (step + 1) / (rise + 1)
        return self.settings.lr * 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))

    def weight_decay_at(self, step: int, steps: int) -> float:
        """The weight decay of one step.

        It keeps latent weights small, so that they can flip; at the end they shall settle (Liu et al.,
        AdamBNN, 2021).
        """
        settings = self.settings
        return settings.weight_decay if step < settings.weight_decay_until * steps else 0.0


def train(
    stage: str,
    parameters: Mapping[str, Tensor],
    latent: frozenset[str],
    backward: Backward,
    images: Images,
    schedule: Schedule,
    *,
    checkpoint: Checkpoint,
    report: Report,
    ranks: Ranks = ALONE,
) -> None:
    """Train the parameters in place, from the checkpoint on where there is one.

    `latent` names the parameters that become binary; they alone decay. The loss of the last step of each
    epoch and the speed are reported. A finished training leaves its checkpoint: remove it once the result
    is saved. Of several `ranks` each calls this with the same arguments, and ends with the same weights.
    """
    optimizer = _adam(parameters, latent)
    decaying, _ = optimizer.param_groups
    per_epoch, steps = schedule.steps_per_epoch(len(images)), schedule.steps(len(images))
    step = first = checkpoint.restore(parameters, optimizer)
    started = time.monotonic()
    with deferred() as interrupted:
        # Nothing in a step waits for a GPU: it works on the last one while the next one is prepared.
        for chosen in _batches(schedule, len(images), images.device, first):
            noise = torch_generator(schedule.seed, Stream.AUGMENTATION, step, images.device)
            for group in optimizer.param_groups:
                group["lr"] = schedule.lr_at(step, steps)
            decaying["weight_decay"] = schedule.weight_decay_at(step, steps)
            optimizer.zero_grad(set_to_none=True)
            part = ranks.part(len(chosen))
            own = chosen[part]
            varied = augment(images[own], schedule.augment, noise, len(chosen), part)
            loss = backward(varied, images.y[own], step)
            loss = ranks.average(parameters.values(), loss, len(own) / len(chosen))
            if schedule.settings.max_grad_norm is not None:
                torch.nn.utils.clip_grad_norm_(parameters.values(), schedule.settings.max_grad_norm)
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


def _batches(schedule: Schedule, images: int, device: torch.device, first: int) -> Iterator[Tensor]:
    """Indices of the images of each step from the first one on; each epoch has its own order."""
    per_epoch = schedule.steps_per_epoch(images)
    for epoch in range(first // per_epoch, schedule.epochs):
        order = generator(schedule.seed, Stream.ORDER, epoch).permutation(images)
        batches = torch.from_numpy(order).to(device).split(schedule.settings.batch)[:per_epoch]
        yield from batches[first % per_epoch if epoch == first // per_epoch else 0 :]


def latent_weights(nodes: Iterable[Node]) -> frozenset[str]:
    """Addresses of the tensors that become binary."""
    return frozenset(f"{node.name}.{spec.name}" for node in nodes for spec in tensors(node) if spec.bits == 1)


def _adam(parameters: Mapping[str, Tensor], latent: frozenset[str]) -> torch.optim.Optimizer:
    """Adam over the parameters that decay and those that do not; every step sets its rates itself."""
    groups = [
        {"params": [p for name, p in parameters.items() if name in latent]},
        {"params": [p for name, p in parameters.items() if name not in latent]},
    ]
    return torch.optim.Adam(groups, fused=True)
