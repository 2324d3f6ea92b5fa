"""Training of the shared weights by one-shot sampling."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from evo_bnas.data.dataset import Images
from evo_bnas.progress import Report, silent
from evo_bnas.supernet.samplers import Sampler
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Trainable, latent_weights, train
from evo_bnas.train.precision import autocast
from evo_bnas.train.randomness import Stream, generator
from evo_bnas.train.ranks import ALONE, Ranks
from evo_bnas.train.stage import TrainingStage
from evo_bnas.train.teacher import NO_TEACHER, Teacher, divergence


@dataclass(frozen=True, slots=True)
class SupernetTraining:
    """One stage of the training of a supernet.

    Every step samples architectures; they share the batch and one optimizer step, and their losses are
    averaged. They learn from the labels, or from the logits of a teacher and nothing else.
    """

    supernet: Supernet
    images: Images
    stage: TrainingStage
    sampler: Sampler
    teacher: Teacher = NO_TEACHER

    def to(self, device: torch.device) -> "SupernetTraining":
        """The same training on a device; supernet and teacher are moved there."""
        return replace(
            self,
            supernet=self.supernet.to(device),
            images=self.images.to(device),
            teacher=self.teacher.to(device),
        )

    def run(self, checkpoint: Checkpoint, report: Report = silent, ranks: Ranks = ALONE) -> None:
        """Train the supernet in place, resuming from the checkpoint; see `evo_bnas.train.loop.train`."""
        parameters = dict(self.supernet.named_parameters())
        latent = latent_weights(self.supernet.space.envelope())
        trainable = Trainable(parameters, latent, self._backward)
        train(trainable, self.images, self.stage, checkpoint=checkpoint, report=report, ranks=ranks)

    def _backward(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        stage = self.stage
        mode = stage.mode_at(step, stage.steps(len(self.images)))
        rng = generator(stage.seed, Stream.ARCHITECTURES, step)
        passes, target = self.teacher.plan(self.sampler(self.supernet.space, rng), images)
        total = torch.zeros((), device=images.device)
        for architecture, teaches in passes:
            with autocast(stage.precision, images.device):
                own_mode = replace(mode, weights="real") if teaches else mode
                logits: Tensor = self.supernet(images, architecture, mode=own_mode)
                if target is None:
                    loss = F.cross_entropy(logits, labels, label_smoothing=stage.settings.label_smoothing)
                else:
                    loss = divergence(logits, target)
                loss = loss / len(passes)
            loss.backward()
            total.add_(loss.detach())
            if teaches:
                target = logits.detach()
        return total
