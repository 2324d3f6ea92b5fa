"""Supernets with random tensors, and the check that extracted networks equal them."""

from functools import partial

import torch
from torch import Tensor

from evo_bnas.binary.execute import Mode
from evo_bnas.binary.fold import Statistics
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet

BATCH = 6


def random_supernet(space: Space) -> Supernet:
    """A supernet whose gains, slopes and shifts differ from the initial ones."""
    supernet = Supernet(space)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    return supernet


def images_for(space: Space, count: int = BATCH, seed: int = 0) -> Tensor:
    """Normally distributed images (count, channels, height, width)."""
    return torch.randn(count, *space.image, generator=torch.Generator().manual_seed(seed))


def calibrated_statistics(supernet: Supernet, architecture: Architecture, seed: int = 0) -> Statistics:
    """The statistics of an architecture on one batch."""
    images = images_for(supernet.space, seed=seed)
    return calibrate(partial(supernet, architecture=architecture), images, BATCH)


def assert_extracted_equals(supernet: Supernet, architecture: Architecture, mode: Mode) -> None:
    """Check that the extracted network and the supernet agree bit for bit, in evaluation and in training."""
    x = images_for(supernet.space, seed=1)
    statistics = calibrated_statistics(supernet, architecture)
    network = supernet.extract(architecture, statistics)
    assert len(x) == BATCH
    with torch.no_grad():
        assert torch.equal(network.eval()(x, mode), supernet(x, architecture, statistics, mode))
        assert torch.equal(network.train()(x, mode), supernet(x, architecture, mode=mode))
