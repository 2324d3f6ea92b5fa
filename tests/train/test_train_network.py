"""Training of a single network, in one stage or two."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evo_bnas.binary.execute import Mode
from evo_bnas.binary.network import Network
from evo_bnas.binary.weights import Weights
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.network import train_network
from tests.support.stages import changed
from tests.support.synthetic import TINY
from tests.support.training import STAGE, random_images


def equal(first: Network, second: Network) -> bool:
    state = second.state_dict()
    return all(torch.equal(value, state[name]) for name, value in first.state_dict().items())


def train(network: Network, folder: Path, weights: Weights) -> None:
    stage = changed(STAGE, epochs=1, mode=Mode(weights))
    train_network(network, random_images(), stage, checkpoint=Checkpoint(folder / weights))


def test_two_stages_train_real_and_then_binary_weights(tmp_path: Path) -> None:
    blueprint = TINY.draw(TINY.sample(np.random.default_rng(1)))
    network = Network(blueprint)
    x = random_images()[:]

    def outputs() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return network(x, Mode("real")), network(x, Mode("binary"))

    train(network, tmp_path, "real")
    real, binary = outputs()
    assert not torch.allclose(real, binary)
    train(network, tmp_path, "binary")
    assert not torch.allclose(outputs()[1], binary)

    # Resumed after either stage, the result is the same.
    resumed = Network(blueprint)
    train(resumed, tmp_path, "real")
    train(resumed, tmp_path, "binary")
    assert equal(resumed, network)
    resumed = Network(blueprint)
    train(resumed, tmp_path, "binary")
    assert equal(resumed, network)


def test_initial_weights_depend_on_their_seed() -> None:
    blueprint = TINY.draw(TINY.smallest())
    assert equal(Network(blueprint, seed=1), Network(blueprint, seed=1))
    assert not equal(Network(blueprint, seed=1), Network(blueprint, seed=2))
