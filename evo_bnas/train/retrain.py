"""Training of one network to the end, with real weights first where that is asked for."""

import torch.nn.functional as F
from torch import Tensor

from evo_bnas.binary.execute import Mode
from evo_bnas.binary.network import Network
from evo_bnas.data.dataset import Images
from evo_bnas.progress import Report
from evo_bnas.train.annealing import annealed
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Schedule, latent_weights, train
from evo_bnas.train.precision import Precision, training_format


def retrain(
    network: Network,
    images: Images,
    schedule: Schedule,
    *,
    stage: str,
    mode: Mode,
    precision: Precision,
    checkpoint: Checkpoint,
    report: Report,
) -> None:
    """Train a network in place; two calls, real weights then binary, make the two-stage recipe.

    Martinez et al. (Real-to-Binary, 2020) and Liu et al. (ReActNet, 2020) train in these two stages.
    """
    network.train()
    steps = schedule.steps(len(images))

    def backward(x: Tensor, labels: Tensor, step: int) -> Tensor:
        with training_format(precision, x.device):
            logits = network(x, annealed(mode, step / steps))
            loss = F.cross_entropy(logits, labels, label_smoothing=schedule.settings.label_smoothing)
        loss.backward()
        return loss.detach()

    train(
        stage,
        dict(network.named_parameters()),
        latent_weights(network.blueprint.nodes),
        backward,
        images,
        schedule,
        checkpoint=checkpoint,
        report=report,
    )
