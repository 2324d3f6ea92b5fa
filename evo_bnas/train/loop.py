"""The training loop: Adam, cosine learning rate, images kept on the device, exact resume."""

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
from evo_bnas.train.stage import TrainingStage

# Computes the loss of a step, adds its gradients to the parameters, and returns it, detached. The arguments
# are images (batch, channels, height, width), labels (batch,), and the step, counted from 0.
Backward = Callable[[Tensor, Tensor, int], Tensor]


@dataclass(frozen=True, slots=True)
class Trainable:
    """What a training changes, and how it computes gradients."""

    parameters: Mapping[str, Tensor]
    latent: frozenset[str]  # names of the parameters that become binary; weight decay applies to them only
    backward: Backward


def train(
    trainable: Trainable,
    images: Images,
    stage: TrainingStage,
    *,
    checkpoint: Checkpoint,
    report: Report,
    ranks: Ranks = ALONE,
) -> None:
    """Train the parameters in place, resuming from the checkpoint if there is one.

    Reports the speed and the loss of the last step after every epoch. The checkpoint is left in place at
    the end: remove it once the result is saved. With several `ranks`, each calls this with the same arguments
    and ends with the same weights.
    """
    parameters = trainable.parameters
    optimizer = _adam(parameters, trainable.latent)
    per_epoch, steps = stage.steps_per_epoch(len(images)), stage.steps(len(images))
    step = first = checkpoint.restore(parameters, optimizer)
    started = time.monotonic()
    with deferred() as interrupted:
        # No step waits for the GPU: while it computes one, the CPU prepares the next.
        for batch in _batches(stage, len(images), images.device, first):
            noise = torch_generator(stage.seed, Stream.AUGMENTATION, step, images.device)
            _set_rates(optimizer, stage, step, steps)
            optimizer.zero_grad(set_to_none=True)
            part = ranks.part(len(batch))
            own = batch[part]
            augmented = augment(images[own], stage.augment, noise, len(batch), part)
            loss = trainable.backward(augmented, images.y[own], step)
            loss = ranks.average(parameters.values(), loss, len(own) / len(batch))
            if stage.settings.max_grad_norm is not None:
                torch.nn.utils.clip_grad_norm_(parameters.values(), stage.settings.max_grad_norm)
            optimizer.step()
            step += 1
            if step % per_epoch == 0:
                speed = (step - first) * len(batch) / (time.monotonic() - started)
                figures = f"loss {loss.item():.3f}, {speed:,.0f} images/s"
                report(Progress(stage.name, step, steps, "steps", figures))
            if checkpoint.due or interrupted() or step == steps:
                checkpoint.save(step, parameters, optimizer)
            if interrupted():
                raise KeyboardInterrupt


def _batches(stage: TrainingStage, images: int, device: torch.device, first: int) -> Iterator[Tensor]:
    """Image indices of every batch, from step `first` on; every epoch has its own order and all images."""
    per_epoch = stage.steps_per_epoch(images)
    for epoch in range(first // per_epoch, stage.epochs(images)):
        order = generator(stage.seed, Stream.ORDER, epoch).permutation(images)
        batches = torch.from_numpy(order).to(device).tensor_split(per_epoch)
        yield from batches[first % per_epoch if epoch == first // per_epoch else 0 :]


def latent_weights(nodes: Iterable[Node]) -> frozenset[str]:
    """Names of the tensors that become binary."""
    return frozenset(f"{node.name}.{spec.name}" for node in nodes for spec in tensors(node) if spec.bits == 1)


def _adam(parameters: Mapping[str, Tensor], latent: frozenset[str]) -> torch.optim.Optimizer:
    """Adam with two groups of parameters: latent weights, then all others."""
    groups = [
        {"params": [p for name, p in parameters.items() if name in latent]},
        {"params": [p for name, p in parameters.items() if name not in latent]},
    ]
    return torch.optim.Adam(groups, fused=True)


def _set_rates(optimizer: torch.optim.Optimizer, stage: TrainingStage, step: int, steps: int) -> None:
    """Set the learning rate of all parameters, and the weight decay of the latent weights."""
    latent, others = optimizer.param_groups
    latent["lr"] = others["lr"] = stage.lr_at(step, steps)
    latent["weight_decay"] = stage.weight_decay_at(step, steps)
