"""Training of the shared weights by one-shot sampling."""

import torch
import torch.nn.functional as F
from torch import Tensor

from evo_bnas.binary.execute import Mode
from evo_bnas.data import Images
from evo_bnas.progress import Report
from evo_bnas.supernet.samplers import Sampler
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Schedule, latent_weights, train
from evo_bnas.train.precision import Precision, training_format
from evo_bnas.train.randomness import Stream, generator


def train_supernet(
    supernet: Supernet,
    images: Images,
    schedule: Schedule,
    sampler: Sampler,
    *,
    mode: Mode,
    precision: Precision,
    checkpoint: Checkpoint,
    report: Report,
) -> None:
    """Train in place: at every step the sampled architectures share one batch and one optimizer step."""

    def backward(x: Tensor, labels: Tensor, step: int) -> Tensor:
        architectures = sampler(supernet.space, generator(schedule.seed, Stream.ARCHITECTURES, step))
        total = torch.zeros((), device=x.device)
        for architecture in architectures:
            with training_format(precision, x.device):
                loss = F.cross_entropy(supernet(x, architecture, mode=mode), labels) / len(architectures)
            loss.backward()
            total += loss.detach()
        return total

    train(
        "supernet",
        dict(supernet.named_parameters()),
        latent_weights(supernet.space.envelope()),
        backward,
        images.x,
        images.y,
        schedule,
        checkpoint=checkpoint,
        report=report,
    )
