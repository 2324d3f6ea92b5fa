"""The training loop: batches, weight decay, gradient norm, progress, formats."""

from functools import partial
from itertools import chain

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evo_bnas.data.dataset import Images, load
from evo_bnas.evaluate.supernet import correctly_classified, error_of
from evo_bnas.network.node import tensors
from evo_bnas.progress import Progress, silent
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.samplers import sandwich, uniform
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.loop import Backward, Trainable, latent_weights, train
from evo_bnas.train.stage import TrainingStage
from evo_bnas.train.supernet import SupernetTraining
from tests.support.digits import DIGITS
from tests.support.stages import changed, stage
from tests.support.strategies import SPACES
from tests.support.training import STAGE, NoCheckpoint, random_images, train_tiny


def run(
    parameters: dict[str, torch.nn.Parameter],
    latent: frozenset[str],
    backward: Backward,
    stage: TrainingStage,
) -> None:
    trainable = Trainable(parameters, latent, backward)
    train(trainable, random_images(), stage, checkpoint=NoCheckpoint(), report=silent)


def test_weight_decay_changes_latent_binary_weights_only() -> None:
    space = SPACES["elastic-8"]
    supernet = Supernet(space)
    latent = latent_weights(space.envelope())
    named = dict(supernet.named_parameters())
    assert latent == {name for name in named if name.endswith((".spatial.weight", ".pointwise.weight"))}
    specs = {f"{node.name}.{spec.name}": spec for node in space.envelope() for spec in tensors(node)}
    assert all((specs[name].bits == 1) == (name in latent) for name in named)

    # The only gradient is that of the decay.
    before = {name: value.detach().clone() for name, value in named.items()}

    def backward(_x: Tensor, _y: Tensor, _step: int) -> Tensor:
        for parameter in named.values():
            parameter.grad = torch.zeros_like(parameter)
        return torch.zeros(())

    run(named, latent, backward, changed(STAGE, epochs=1))
    assert {name for name, value in named.items() if not torch.equal(before[name], value)} == latent
    for name in latent:
        assert named[name].norm() < before[name].norm()

    after = {name: value.detach().clone() for name, value in named.items()}
    run(named, latent, backward, changed(STAGE, epochs=1, weight_decay_until=0.0))
    assert all(torch.equal(after[name], value) for name, value in named.items())


@pytest.mark.parametrize(("limit", "norm"), [(None, 5.0), (0.1, 0.1), (7.0, 5.0)])
def test_gradients_above_the_maximum_norm_are_scaled_down_together(limit: float | None, norm: float) -> None:
    parameters = {name: torch.nn.Parameter(torch.ones(())) for name in ("first", "second", "unused")}

    def backward(_x: Tensor, _y: Tensor, _step: int) -> Tensor:
        (3 * parameters["first"] + 4 * parameters["second"]).backward()
        return torch.zeros(())

    run(parameters, frozenset(), backward, changed(STAGE, epochs=1, max_grad_norm=limit))
    gradients = [parameters[name].grad for name in ("first", "second")]
    assert torch.stack([g for g in gradients if g is not None]).tolist() == pytest.approx(
        [0.6 * norm, 0.8 * norm], rel=1e-4
    )
    assert parameters["unused"].grad is None


def labels_of_every_batch(images: Images, stage: TrainingStage) -> list[list[int]]:
    parameter = torch.nn.Parameter(torch.zeros(()))
    batches = []

    def backward(_x: Tensor, y: Tensor, _step: int) -> Tensor:
        batches.append(y.tolist())
        parameter.grad = torch.zeros(())
        return torch.zeros(())

    trainable = Trainable({"parameter": parameter}, frozenset(), backward)
    train(trainable, images, stage, checkpoint=NoCheckpoint(), report=silent)
    return batches


def numbered_images(count: int) -> Images:
    """Images whose labels count them."""
    images = random_images(count)
    return Images(images.pixels, torch.arange(count), images.mean, images.std)


@settings(max_examples=30)
@given(st.integers(1, 90), st.integers(1, 40), st.integers(1, 3), st.integers(0, 12))
def test_every_epoch_takes_every_image_once_in_batches_of_nearly_one_size(
    count: int, batch: int, epochs: int, min_steps: int
) -> None:
    stage = changed(STAGE, epochs=epochs, batch=batch, min_steps=min_steps)
    batches = labels_of_every_batch(numbered_images(count), stage)
    per_epoch = stage.steps_per_epoch(count)
    assert len(batches) == stage.steps(count) >= min_steps
    for first in range(0, len(batches), per_epoch):
        epoch = batches[first : first + per_epoch]
        assert sorted(chain(*epoch)) == list(range(count))
        sizes = [len(labels) for labels in epoch]
        assert 0 < max(sizes) <= min(min(sizes) + 1, batch)


def test_every_epoch_has_its_own_order() -> None:
    batches = labels_of_every_batch(numbered_images(53), changed(STAGE, epochs=3))
    first, second, third = (list(chain(*batches[epoch : epoch + 4])) for epoch in (0, 4, 8))
    assert first != second != third != first


def test_progress_is_reported_after_every_epoch() -> None:
    reported: list[Progress] = []
    train_tiny(NoCheckpoint(), reported.append)
    assert [(p.stage, p.done, p.total, p.unit) for p in reported] == [
        ("supernet", 4 * epoch, 16, "steps") for epoch in (1, 2, 3, 4)
    ]
    assert all("loss" in p.figures and "images/s" in p.figures for p in reported)


def test_the_networks_of_a_sandwich_share_a_step() -> None:
    supernet = train_tiny(NoCheckpoint(), stage=changed(STAGE, epochs=1), sampler=sandwich)
    assert all(parameter.grad is not None for parameter in supernet.parameters())
    assert all(parameter.isfinite().all() for parameter in supernet.parameters())


def test_training_of_the_whole_space_stays_finite() -> None:
    supernet = train_tiny(NoCheckpoint(), sampler=uniform)
    assert all(parameter.isfinite().all() for parameter in supernet.parameters())


def test_bfloat16_trains_float32_weights() -> None:
    short = changed(STAGE, epochs=1)
    supernet = train_tiny(NoCheckpoint(), stage=changed(short, precision="bfloat16"))
    exact = train_tiny(NoCheckpoint(), stage=short)
    for ours, theirs in zip(supernet.parameters(), exact.parameters(), strict=True):
        assert ours.dtype == torch.float32
        assert ours.isfinite().all()
        assert torch.allclose(ours, theirs, atol=0.1)


@pytest.mark.slow
def test_the_digits_are_learned() -> None:
    space, digits = SPACES["elastic-8"], load(DIGITS, seed=0)
    supernet = Supernet(space)
    small = space.smallest()

    def error() -> float:
        network = partial(supernet, architecture=small)
        statistics = calibrate(network, digits.train, 128)
        return error_of(
            correctly_classified(partial(network, norm=statistics), digits.search, digits.search.y, 128)
        )

    assert error() > 0.7
    losses: list[float] = []

    def note(progress: Progress) -> None:
        losses.append(float(progress.figures.split()[1].rstrip(",")))

    eight_epochs = stage(8, batch=64, lr=5e-3, weight_decay=0.0)
    SupernetTraining(supernet, digits.train, eight_epochs, lambda *_: [small]).run(NoCheckpoint(), note)
    assert losses[-1] < losses[0] / 1.5
    assert error() < 0.25
