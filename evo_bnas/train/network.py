"""Training of a single network."""

import torch.nn.functional as F
from torch import Tensor

from evo_bnas.binary.network import Network
from evo_bnas.data.dataset import Images
from evo_bnas.progress import Report, silent
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Trainable, latent_weights, train
from evo_bnas.train.precision import autocast
from evo_bnas.train.stage import TrainingStage


def train_network(
    network: Network, images: Images, stage: TrainingStage, *, checkpoint: Checkpoint, report: Report = silent
) -> None:
    """Train a network in place, resuming from the checkpoint; see `evo_bnas.train.loop.train`.

    A stage with real weights and then one with binary weights is the two-stage recipe of Martinez et al.
    (Real-to-Binary, 2020) and Liu et al. (ReActNet, 2020).
    """
    network.train()
    steps = stage.steps(len(images))

    def backward(x: Tensor, labels: Tensor, step: int) -> Tensor:
        with autocast(stage.precision, x.device):
            logits = network(x, stage.mode_at(step, steps))
            loss = F.cross_entropy(logits, labels, label_smoothing=stage.settings.label_smoothing)
        loss.backward()
        return loss.detach()

    parameters = dict(network.named_parameters())
    trainable = Trainable(parameters, latent_weights(network.blueprint.nodes), backward)
    train(trainable, images, stage, checkpoint=checkpoint, report=report)
