"""What a training step learns from: labels, a trained network, or the largest network of the supernet."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evo_bnas.binary.execute import Mode
from evo_bnas.binary.network import Network, save_network
from evo_bnas.binary.weights import Weights
from evo_bnas.errors import UsageError
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet, save_supernet
from evo_bnas.train.stage import TrainingStage
from evo_bnas.train.supernet import SupernetTraining
from evo_bnas.train.teacher import (
    NO_TEACHER,
    InPlaceTeacher,
    NetworkTeacher,
    Teacher,
    divergence,
    load_teacher,
)
from tests.support.stages import changed, stage
from tests.support.synthetic import TINY
from tests.support.training import NoCheckpoint, random_images

ONE_STEP = stage(epochs=1, batch=16, lr=1e-3, weight_decay=0.0)
ENDS = [TINY.smallest(), TINY.largest()]

Gradients = dict[str, Tensor | None]


def gradients_of(loss: Callable[[Supernet, Tensor, Tensor], Tensor]) -> Gradients:
    """The gradients of a loss, given a new supernet, images and labels."""
    supernet, images = Supernet(TINY, seed=1), random_images(16)
    loss(supernet, images[:], images.y).backward()
    return {name: parameter.grad for name, parameter in supernet.named_parameters()}


def gradients_of_a_step(
    sampled: list[Architecture], teacher: Teacher = NO_TEACHER, stage: TrainingStage = ONE_STEP
) -> Gradients:
    """The gradients after a training of one step, on the same images."""
    supernet = Supernet(TINY, seed=1)
    SupernetTraining(supernet, random_images(16), stage, lambda *_: sampled, teacher).run(NoCheckpoint())
    return {name: parameter.grad for name, parameter in supernet.named_parameters()}


def assert_close(actual: Gradients, expected: Gradients) -> None:
    for name, gradient in expected.items():
        if gradient is None:
            assert actual[name] is None
        else:
            torch.testing.assert_close(actual[name], gradient, rtol=1e-3, atol=1e-5)


def a_network(seed: int = 5) -> Network:
    """A calibrated network for the images of `random_images`."""
    network = Network(TINY.draw(TINY.largest()), seed=seed)
    network.set_statistics(calibrate(network.run, random_images(), 16))
    return network.eval()


@given(st.integers(0, 1000), st.floats(-5, 5))
def test_the_divergence_is_that_of_the_two_distributions(seed: int, shift: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    p, q = teacher.softmax(1), student.softmax(1)
    value = divergence(student, teacher)
    assert value > 0
    assert torch.allclose(value, (p * (p / q).log()).sum(1).mean())
    assert torch.allclose(divergence(teacher + shift, teacher), torch.zeros((), dtype=torch.float64))


def test_without_a_teacher_all_networks_of_a_step_learn_from_the_labels() -> None:
    def loss(supernet: Supernet, x: Tensor, y: Tensor) -> Tensor:
        losses = [F.cross_entropy(supernet(x, end), y, label_smoothing=0.2) for end in ENDS]
        return torch.stack(losses).mean()

    smoothed = changed(ONE_STEP, label_smoothing=0.2)
    assert_close(gradients_of_a_step(ENDS, stage=smoothed), gradients_of(loss))


def test_a_network_teaches_by_its_outputs_and_does_not_change() -> None:
    teacher = a_network()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}

    def loss(supernet: Supernet, x: Tensor, _: Tensor) -> Tensor:
        with torch.no_grad():
            target = teacher(x)
        return torch.stack([divergence(supernet(x, end), target) for end in ENDS]).mean()

    smoothed = changed(ONE_STEP, label_smoothing=0.2)  # no effect: labels are not used
    assert_close(gradients_of_a_step(ENDS, NetworkTeacher(teacher), smoothed), gradients_of(loss))
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.mark.parametrize("weights", ["binary", "real"])
def test_a_network_teaches_in_its_own_mode(weights: Weights) -> None:
    network, images = a_network(), random_images(16)[:]
    plan = NetworkTeacher(network, Mode(weights)).plan(ENDS, images)
    assert plan.target is not None
    assert torch.equal(plan.target, network(images, Mode(weights)))


@pytest.mark.parametrize(
    ("sampled", "students"),
    [
        ([TINY.smallest()], [TINY.smallest()]),  # the teacher is an additional pass
        (ENDS, [TINY.smallest()]),  # the largest network of a sandwich is the teacher
        ([TINY.largest()], [TINY.largest()]),  # sampled alone, it is its own student
    ],
    ids=["smallest", "sandwich", "largest"],
)
@pytest.mark.parametrize("weights", ["binary", "real"])
def test_the_teacher_in_place_is_the_largest_network_with_real_weights(
    sampled: list[Architecture], students: list[Architecture], weights: Weights
) -> None:
    mode = Mode(weights)

    def loss(supernet: Supernet, x: Tensor, y: Tensor) -> Tensor:
        target = supernet(x, TINY.largest(), mode=Mode("real"))
        losses = [F.cross_entropy(target, y, label_smoothing=0.1)]
        losses += [divergence(supernet(x, student, mode=mode), target.detach()) for student in students]
        return torch.stack(losses).mean()

    smoothed = replace(changed(ONE_STEP, label_smoothing=0.1), mode=mode)
    teacher = InPlaceTeacher(TINY.largest())
    assert_close(gradients_of_a_step(sampled, teacher, smoothed), gradients_of(loss))


def test_a_teacher_from_a_file_must_match_the_space(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    with pytest.raises(UsageError, match=r"teacher\.safetensors"):
        load_teacher(path, TINY)
    save_supernet(Supernet(TINY), path)
    with pytest.raises(UsageError, match=r"teacher\.safetensors.*evo-bnas supernet 1.*evo-bnas network 1"):
        load_teacher(path, TINY)
    teacher = a_network()
    save_network(teacher, path, {})
    x = random_images()[:]
    target = load_teacher(path, TINY).plan(ENDS, x).target
    assert target is not None
    assert torch.equal(target, teacher(x))
    with pytest.raises(UsageError, match=r"1×8×8 images.*3×8×8.*same data set"):
        load_teacher(path, TINY.fit((3, 8, 8), 10))
    with pytest.raises(UsageError, match=r"10 classes.*4.*same data set"):
        load_teacher(path, TINY.fit((1, 8, 8), 4))
