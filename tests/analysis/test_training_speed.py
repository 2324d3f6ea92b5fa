"""The study of training speed: both contestants compute the same, and a small race has all its figures."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from analysis import plain_loop, training_speed
from evo_bnas.binary.execute import Mode
from evo_bnas.space.catalogue import load
from evo_bnas.supernet.samplers import SAMPLERS
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


@pytest.mark.slow
def test_a_race_prints_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--space", "group-mobile-8", "--batch", "8", "--turns", "1", "--threads", "1", "--workers", "1"]
    training_speed.main([*small, "--format", "json"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["ratios"]
    assert all(row["low"] <= row["ratio"] <= row["high"] for row in figures["ratios"])
    assert set(SAMPLERS) < set(figures["images_per_second"])
    for shares in figures["profiles"].values():
        assert sum(shares.values()) == pytest.approx(1)
        assert shares["convolution, backward"] > 0
    assert "sign" in figures["profiles"]["evo-bnas, float32"]
    assert set(figures["peak_bytes"]) == set(figures["profiles"])
