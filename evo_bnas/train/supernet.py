"""Training of the shared weights by one-shot sampling."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from evo_bnas.binary.execute import BINARY, Mode
from evo_bnas.data.dataset import Images
from evo_bnas.progress import Report, silent
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.samplers import Sampler
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.annealing import annealed
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Schedule, latent_weights, train
from evo_bnas.train.precision import Precision, training_format
from evo_bnas.train.randomness import Stream, generator
from evo_bnas.train.ranks import ALONE, Ranks
from evo_bnas.train.teacher import Teacher, divergence


def train_supernet(
    supernet: Supernet,
    images: Images,
    schedule: Schedule,
    sampler: Sampler,
    *,
    stage: str = "supernet",
    mode: Mode = BINARY,
    teacher: Teacher | None = None,
    precision: Precision = "float32",
    checkpoint: Checkpoint,
    report: Report = silent,
    ranks: Ranks = ALONE,
) -> None:
    """Train in place: at every step the sampled architectures share one batch and one optimizer step.

    Without a teacher they learn from the labels, with one from its outputs alone. A teacher in place is
    one more pass of the step, which learns from the labels; where a step of several architectures holds
    the largest, as a sandwich does, the teacher takes its place. Two calls, real weights then binary, make
    two stages.
    """
    space = supernet.space
    largest = space.largest()
    in_place = teacher == "in-place"
    steps = schedule.steps(len(images))

    def backward(x: Tensor, labels: Tensor, step: int) -> Tensor:
        now = annealed(mode, step / steps)
        students = sampler(space, generator(schedule.seed, Stream.ARCHITECTURES, step))
        if in_place:
            students = [student for student in students if student != largest] or students
        passes = len(students) + in_place
        total = torch.zeros((), device=x.device)

        def learn(architecture: Architecture, how: Mode, aim: Tensor | None) -> Tensor:
            """One pass towards the labels, or the logits of a teacher; its own logits."""
            with training_format(precision, x.device):
                logits: Tensor = supernet(x, architecture, mode=how)
                if aim is None:
                    loss = F.cross_entropy(logits, labels, label_smoothing=schedule.settings.label_smoothing)
                else:
                    loss = divergence(logits, aim)
                loss = loss / passes
            loss.backward()
            total.add_(loss.detach())
            return logits.detach()

        aim = None
        if in_place:
            aim = learn(largest, replace(now, weights="real"), None)
        elif callable(teacher):
            with torch.no_grad():
                aim = teacher(x)
        for student in students:
            learn(student, now, aim)
        return total

    train(
        stage,
        dict(supernet.named_parameters()),
        latent_weights(space.envelope()),
        backward,
        images,
        schedule,
        checkpoint=checkpoint,
        report=report,
        ranks=ranks,
    )
