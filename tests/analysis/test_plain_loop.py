"""The plain loop computes what the library computes."""

import numpy as np
import torch
import torch.nn.functional as F

from analysis.shared import plain_loop
from evo_bnas.binary.execute import Mode
from evo_bnas.space.catalogue import load
from evo_bnas.supernet.supernet import Supernet


def test_the_plain_loop_computes_the_gradients_of_the_library() -> None:
    space = load("group-mobile-8")
    supernet = Supernet(space).double()
    architecture = space.sample(np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, *space.image, generator=generator, dtype=torch.float64)
    labels = torch.randint(space.classes, (16,), generator=generator)

    def gradients(logits: torch.Tensor) -> dict[str, torch.Tensor]:
        supernet.zero_grad()
        F.cross_entropy(logits, labels).backward()
        return {name: p.grad for name, p in supernet.named_parameters() if p.grad is not None}

    ours = gradients(supernet(x, architecture, mode=Mode(sign_gradient="ste")))
    theirs = gradients(plain_loop.forward(supernet, architecture, x))
    torch.testing.assert_close(theirs, ours)


def test_worker_processes_crop_and_flip_every_image() -> None:
    images = torch.arange(4 * 2 * 3 * 3.0).view(4, 2, 3, 3) + 1
    x, y = next(plain_loop.batches(images, torch.arange(4), 4, 1, 0))
    assert x.shape == images.shape
    for image, label in zip(x, y.tolist(), strict=True):
        assert set(image.unique().tolist()) <= {0.0, *images[label].unique().tolist()}
