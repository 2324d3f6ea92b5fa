"""The training loop: augmentation, counter-based randomness, what decays, exact resume."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evo_bnas.binary.execute import BINARY, Mode
from evo_bnas.binary.network import Network, save_network
from evo_bnas.binary.weights import Weights
from evo_bnas.data.dataset import Dataset, Images, load
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.supernet import classified, error_of
from evo_bnas.files import weights_file
from evo_bnas.network.node import tensors
from evo_bnas.progress import Progress, Report, silent
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.start import start
from evo_bnas.run.train import train as train_stage
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.samplers import Sampler, cost_uniform, fair, sandwich, uniform
from evo_bnas.supernet.supernet import Supernet, save_supernet
from evo_bnas.train import loop
from evo_bnas.train.annealing import annealed
from evo_bnas.train.augment import augment
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.loop import Schedule, latent_weights
from evo_bnas.train.precision import Precision
from evo_bnas.train.randomness import Stream, generator, torch_generator, torch_seed
from evo_bnas.train.retrain import retrain
from evo_bnas.train.settings import AugmentationSettings, TrainingSettings
from evo_bnas.train.supernet import train_supernet
from evo_bnas.train.teacher import Teacher, divergence, load_teacher
from tests.support.digits import DIGITS
from tests.support.schedules import changed, schedule
from tests.support.strategies import SPACES
from tests.support.synthetic import TINY

CPU = torch.device("cpu")
AUGMENTATION = AugmentationSettings(crop=1, flip=True, cutout=3)
SCHEDULE = schedule(epochs=4, batch=16, lr=5e-3, weight_decay=1e-4, seed=3, augment=AUGMENTATION)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load(DIGITS, seed=0)


def fraction(count: int = 48 + 5) -> Images:
    """Random images that three batches of 16 do not quite use up."""
    drawn = torch_generator(0, Stream.WEIGHTS, 0, CPU)
    pixels = torch.randint(256, (count, 1, 8, 8), generator=drawn).to(torch.uint8)
    labels = torch.randint(10, (count,), generator=drawn)
    return Images(pixels, labels, mean=torch.tensor([127.5]), std=torch.tensor([74.0]))


def ends_by_turns(space: Space, rng: np.random.Generator) -> list[Architecture]:
    """Mostly the smallest network, so that other blocks wait long for their first step."""
    return [space.largest() if rng.random() < 0.1 else space.smallest()]


def train_tiny(
    checkpoint: Checkpoint,
    report: Report = silent,
    *,
    epochs: int = SCHEDULE.epochs,
    sampler: Sampler = ends_by_turns,
    precision: Precision = "float32",
) -> Supernet:
    supernet = Supernet(TINY, seed=1)
    train_supernet(
        supernet,
        fraction(),
        changed(SCHEDULE, epochs=epochs),
        sampler,
        precision=precision,
        checkpoint=checkpoint,
        report=report,
    )
    return supernet


# Augmentation

sizes = st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))


def numbered(shape: tuple[int, ...]) -> Tensor:
    """Images whose every pixel has a value of its own, none of them 0."""
    return torch.arange(1, 1 + int(np.prod(shape)), dtype=torch.float32).view(shape)


def noise(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(sizes, st.integers(0, 3), st.booleans(), st.integers(0, 4), st.integers(0, 1000))
def test_augmentation_keeps_shapes_and_follows_its_generator(
    shape: tuple[int, ...], crop: int, flip: bool, cutout: int, seed: int
) -> None:
    images = numbered(shape)
    before = images.clone()
    augmentation = AugmentationSettings(crop=crop, flip=flip, cutout=cutout)
    once, twice = (augment(images, augmentation, noise(seed)) for _ in range(2))
    assert once.shape == images.shape
    assert torch.equal(once, twice)
    assert torch.equal(images, before)
    # Nothing is made up: every value is one of the image's own, or the 0 of the border.
    for image, result in zip(images, once, strict=True):
        assert set(result.flatten().tolist()) <= set(image.flatten().tolist()) | {0.0}


@given(sizes)
def test_no_augmentation_is_the_identity(shape: tuple[int, ...]) -> None:
    images = numbered(shape)
    assert torch.equal(augment(images, AugmentationSettings(), noise(0)), images)


@given(sizes, st.integers(1, 3), st.integers(0, 1000))
def test_every_crop_is_a_window_of_the_padded_image(shape: tuple[int, ...], pad: int, seed: int) -> None:
    images = numbered(shape)
    _, _, height, width = shape
    padded = F.pad(images, (pad,) * 4)
    for image, result in zip(
        padded, augment(images, AugmentationSettings(crop=pad), noise(seed)), strict=True
    ):
        windows = [
            image[:, top : top + height, left : left + width]
            for top in range(2 * pad + 1)
            for left in range(2 * pad + 1)
        ]
        assert any(torch.equal(result, window) for window in windows)


@given(sizes, st.integers(0, 1000))
def test_a_flip_undoes_itself(shape: tuple[int, ...], seed: int) -> None:
    images = numbered(shape)
    flip = AugmentationSettings(flip=True)
    flipped = flip(images, noise(seed))
    assert torch.equal(flip(flipped, noise(seed)), images)
    for image, result in zip(images, flipped, strict=True):
        assert torch.equal(result, image) or torch.equal(result, image.flip(-1))


def test_half_of_the_images_are_flipped() -> None:
    images = numbered((400, 1, 2, 2))
    flipped = augment(images, AugmentationSettings(flip=True), noise(0))
    assert 150 < (flipped != images).flatten(1).any(1).sum() < 250


@given(sizes, st.integers(1, 12), st.integers(0, 1000))
def test_cutout_erases_one_rectangle_within_its_side(shape: tuple[int, ...], side: int, seed: int) -> None:
    images = numbered(shape)
    for image, result in zip(
        images, augment(images, AugmentationSettings(cutout=side), noise(seed)), strict=True
    ):
        erased = result == 0
        assert (erased == erased[0]).all()  # the same pixels of every channel
        assert torch.equal(result[~erased], image[~erased])
        rows, columns = erased[0].any(1), erased[0].any(0)
        assert torch.equal(erased[0], rows[:, None] & columns[None, :])
        assert 1 <= rows.sum() <= side
        assert 1 <= columns.sum() <= side


# Randomness


@given(st.integers(0, 2**32), st.sampled_from(Stream), st.integers(0, 2**32))
def test_randomness_depends_on_its_counter_alone(seed: int, stream: Stream, counter: int) -> None:
    first = generator(seed, stream, counter).integers(2**60, size=3).tolist()
    generator(seed, stream, counter + 1).random(5)
    assert generator(seed, stream, counter).integers(2**60, size=3).tolist() == first
    others = [
        generator(seed + 1, stream, counter),
        generator(seed, stream, counter + 1),
        *(generator(seed, other, counter) for other in Stream if other != stream),
    ]
    assert all(other.integers(2**60, size=3).tolist() != first for other in others)
    assert torch_generator(seed, stream, counter, CPU).initial_seed() == torch_seed(seed, stream, counter)


# The loop


def test_only_latent_binary_weights_decay() -> None:
    space = SPACES["elastic-8"]
    supernet = Supernet(space)
    latent = latent_weights(space.envelope())
    named = dict(supernet.named_parameters())
    assert latent == {name for name in named if name.endswith((".spatial.weight", ".pointwise.weight"))}
    roles = {f"{n.name}.{spec.name}": spec for n in space.envelope() for spec in tensors(n)}
    assert all((roles[name].bits == 1) == (name in latent) for name in named)

    # Without any gradient but that of the decay, nothing else moves.
    before = {name: value.detach().clone() for name, value in named.items()}

    def backward(_x: Tensor, _y: Tensor, _step: int) -> Tensor:
        for parameter in named.values():
            parameter.grad = torch.zeros_like(parameter)
        return torch.zeros(())

    images = fraction()
    checkpoint = NoCheckpoint()
    schedule = changed(SCHEDULE, epochs=1)
    loop.train("test", named, latent, backward, images, schedule, checkpoint=checkpoint, report=silent)
    assert {name for name, value in named.items() if not torch.equal(before[name], value)} == latent
    for name in latent:
        assert named[name].norm() < before[name].norm()

    still = {name: value.detach().clone() for name, value in named.items()}
    schedule = changed(SCHEDULE, epochs=1, weight_decay_until=0.0)
    loop.train("test", named, latent, backward, images, schedule, checkpoint=checkpoint, report=silent)
    assert all(torch.equal(still[name], value) for name, value in named.items())


class NoCheckpoint(Checkpoint):
    """Remembers when it was asked to save, and writes nothing."""

    due = False  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(Path("/nowhere/checkpoint"))
        self.steps: list[int] = []

    def save(self, step: int, parameters: object, optimizer: object) -> None:
        self.steps.append(step)


def test_the_learning_rate_falls_from_its_first_value_to_nearly_nothing() -> None:
    rates = [SCHEDULE.lr_at(step, 100) for step in range(100)]
    assert rates[0] == SCHEDULE.lr
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < SCHEDULE.lr / 1000
    assert rates[50] == pytest.approx(SCHEDULE.lr / 2)
    assert SCHEDULE.lr_at(100, 100) == pytest.approx(0)


@given(st.integers(2, 40), st.data())
def test_the_learning_rate_rises_in_the_warm_up_and_falls_after_it(epochs: int, data: st.DataObject) -> None:
    warm_up = data.draw(st.integers(0, epochs - 1))
    schedule = changed(SCHEDULE, epochs=epochs, warm_up=warm_up)
    steps = schedule.steps(53)
    rise = warm_up * schedule.steps_per_epoch(53)
    rates = [schedule.lr_at(step, steps) for step in range(steps)]
    assert rates[rise] == max(rates) == schedule.lr
    assert rates[:rise] == pytest.approx([schedule.lr * (i + 1) / (rise + 1) for i in range(rise)])
    assert rates[rise:] == sorted(rates[rise:], reverse=True)
    assert min(rates) > 0


@given(st.integers(1, 200), st.floats(0, 1))
def test_decay_ends_after_its_share_of_the_steps(steps: int, share: float) -> None:
    schedule = changed(SCHEDULE, weight_decay_until=share)
    decays = [schedule.weight_decay_at(step, steps) for step in range(steps)]
    assert decays == sorted(decays, reverse=True)
    assert set(decays) <= {schedule.decay, 0.0}
    assert decays.count(schedule.decay) == pytest.approx(share * steps, abs=1)


@pytest.mark.parametrize(("clip", "norm"), [(None, 5.0), (0.1, 0.1), (7.0, 5.0)])
def test_gradients_above_the_clip_are_scaled_down_together(clip: float | None, norm: float) -> None:
    parameters = {name: torch.nn.Parameter(torch.ones(())) for name in ("one", "other", "unused")}

    def backward(_x: Tensor, _y: Tensor, _step: int) -> Tensor:
        (3 * parameters["one"] + 4 * parameters["other"]).backward()
        return torch.zeros(())

    images = fraction()
    schedule = changed(SCHEDULE, epochs=1, max_grad_norm=clip)
    loop.train(
        "test", parameters, frozenset(), backward, images, schedule,
        checkpoint=NoCheckpoint(), report=silent,
    )  # fmt: skip
    found = torch.stack([p.grad for p in (parameters["one"], parameters["other"]) if p.grad is not None])
    assert found.tolist() == pytest.approx([0.6 * norm, 0.8 * norm], rel=1e-4)
    assert parameters["unused"].grad is None


def test_tanh_steepens_from_the_first_step_to_the_last() -> None:
    mode = Mode(sign_gradient="tanh")
    steepness = [annealed(mode, step / 100).t for step in range(101)]
    assert steepness[0] == pytest.approx(1e-3)
    assert steepness[-1] == pytest.approx(10)
    ratios = [later / former for former, later in pairwise(steepness)]
    assert ratios == pytest.approx([10**0.04] * 100)
    assert annealed(mode, 0.5) == replace(mode, t=annealed(mode, 0.5).t)


def test_an_epoch_has_whole_batches_in_an_order_of_its_own() -> None:
    count = 53
    assert SCHEDULE.steps_per_epoch(count) == 3
    assert SCHEDULE.steps_per_epoch(5) == 1
    batches = list(loop._batches(SCHEDULE, count, CPU, 0))
    epochs = [torch.cat(batches[first : first + 3]).tolist() for first in (0, 3, 6)]
    for order in epochs:
        assert len(order) == len(set(order)) == 48
        assert set(order) <= set(range(count))
    assert epochs[0] != epochs[1] != epochs[2]
    assert len(next(loop._batches(SCHEDULE, 5, CPU, 0))) == 5


def test_progress_is_told_after_every_epoch() -> None:
    told: list[Progress] = []
    train_tiny(NoCheckpoint(), told.append)
    assert [(p.stage, p.done, p.total, p.unit) for p in told] == [
        ("supernet", epoch, 4, "epochs") for epoch in (1, 2, 3, 4)
    ]
    assert all("loss" in p.figures and "images/s" in p.figures for p in told)


def test_a_sandwich_takes_one_step_for_all_of_its_networks() -> None:
    supernet = train_tiny(NoCheckpoint(), epochs=1, sampler=sandwich)
    assert all(parameter.grad is not None for parameter in supernet.parameters())
    assert all(parameter.isfinite().all() for parameter in supernet.parameters())


def test_bfloat16_trains_float32_weights() -> None:
    supernet = train_tiny(NoCheckpoint(), epochs=1, precision="bfloat16")
    exact = train_tiny(NoCheckpoint(), epochs=1)
    for ours, theirs in zip(supernet.parameters(), exact.parameters(), strict=True):
        assert ours.dtype == torch.float32
        assert ours.isfinite().all()
        assert torch.allclose(ours, theirs, atol=0.1)


@pytest.mark.slow
def test_the_digits_are_learned(digits: Dataset) -> None:
    space = SPACES["elastic-8"]
    supernet = Supernet(space)
    small = space.smallest()

    def error() -> float:
        network = partial(supernet, architecture=small)
        statistics = calibrate(network, digits.train, 128)
        return error_of(classified(partial(network, norm=statistics), digits.search, digits.search.y, 128))

    assert error() > 0.7
    losses: list[float] = []

    def note(progress: Progress) -> None:
        losses.append(float(progress.figures.split()[1].rstrip(",")))

    train_supernet(
        supernet,
        digits.train,
        schedule(8, batch=64, lr=5e-3, weight_decay=0.0),
        lambda *_: [small],
        checkpoint=NoCheckpoint(),
        report=note,
    )
    assert losses[-1] < losses[0] / 1.5
    assert error() < 0.25


# What a step learns from

ONE_STEP = schedule(epochs=1, batch=16, lr=1e-3, weight_decay=0.0, seed=0)
ENDS = [TINY.smallest(), TINY.largest()]


def gradients_of(loss: Callable[[Supernet, Tensor, Tensor], Tensor]) -> dict[str, Tensor | None]:
    """The gradients of a loss of a fresh supernet, images and labels."""
    supernet, images = Supernet(TINY, seed=1), fraction(16)
    loss(supernet, images[:], images.y).backward()
    return {name: parameter.grad for name, parameter in supernet.named_parameters()}


def gradients_of_a_step(
    drawn: list[Architecture],
    *,
    teacher: Teacher | None = None,
    schedule: Schedule = ONE_STEP,
    mode: Mode = BINARY,
) -> dict[str, Tensor | None]:
    """The gradients that a training of one step leaves behind, on the same images."""
    supernet = Supernet(TINY, seed=1)
    train_supernet(
        supernet,
        fraction(16),
        schedule,
        lambda *_: drawn,
        mode=mode,
        teacher=teacher,
        checkpoint=NoCheckpoint(),
    )
    return {name: parameter.grad for name, parameter in supernet.named_parameters()}


def assert_close(found: dict[str, Tensor | None], expected: dict[str, Tensor | None]) -> None:
    for name, gradient in expected.items():
        if gradient is None:
            assert found[name] is None
        else:
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5)


def a_network(seed: int = 5) -> Network:
    """A calibrated one for the images of `fraction`."""
    network = Network(TINY.draw(TINY.largest()), seed=seed)
    network.set_statistics(calibrate(network.run, fraction(), 16))
    return network.eval()


@given(st.integers(0, 1000), st.floats(-5, 5))
def test_the_divergence_of_a_teacher_is_that_of_the_two_distributions(seed: int, shift: float) -> None:
    student, teacher = torch.randn(2, 3, 4, generator=noise(seed), dtype=torch.float64)
    p, q = teacher.softmax(1), student.softmax(1)
    found = divergence(student, teacher)
    assert found > 0
    assert torch.allclose(found, (p * (p / q).log()).sum(1).mean())
    assert torch.allclose(divergence(teacher + shift, teacher), torch.zeros((), dtype=torch.float64))


def test_without_a_teacher_all_networks_of_a_step_learn_from_the_labels() -> None:
    def loss(supernet: Supernet, x: Tensor, y: Tensor) -> Tensor:
        losses = [F.cross_entropy(supernet(x, end), y, label_smoothing=0.2) for end in ENDS]
        return torch.stack(losses).mean()

    schedule = replace(ONE_STEP, label_smoothing=0.2)
    assert_close(gradients_of_a_step(ENDS, schedule=schedule), gradients_of(loss))


def test_a_network_teaches_by_its_outputs_and_nothing_else() -> None:
    teacher = a_network()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}

    def loss(supernet: Supernet, x: Tensor, _: Tensor) -> Tensor:
        with torch.no_grad():
            aim = teacher(x)
        return torch.stack([divergence(supernet(x, end), aim) for end in ENDS]).mean()

    schedule = replace(ONE_STEP, label_smoothing=0.2)  # of labels, which nobody looks at
    assert_close(gradients_of_a_step(ENDS, teacher=teacher, schedule=schedule), gradients_of(loss))
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.mark.parametrize(
    ("drawn", "students"),
    [
        ([TINY.smallest()], [TINY.smallest()]),  # one more pass
        (ENDS, [TINY.smallest()]),  # the largest of a sandwich is the teacher
        ([TINY.largest()], [TINY.largest()]),  # alone it is its own student
    ],
    ids=["smallest", "sandwich", "largest"],
)
@pytest.mark.parametrize("weights", ["binary", "real"])
def test_the_teacher_in_place_is_the_largest_network_with_real_weights(
    drawn: list[Architecture], students: list[Architecture], weights: Weights
) -> None:
    mode = Mode(weights)

    def loss(supernet: Supernet, x: Tensor, y: Tensor) -> Tensor:
        aim = supernet(x, TINY.largest(), mode=Mode("real"))
        losses = [F.cross_entropy(aim, y, label_smoothing=0.1)]
        losses += [divergence(supernet(x, student, mode=mode), aim.detach()) for student in students]
        return torch.stack(losses).mean()

    schedule = replace(ONE_STEP, label_smoothing=0.1)
    found = gradients_of_a_step(drawn, teacher="in-place", schedule=schedule, mode=mode)
    assert_close(found, gradients_of(loss))


def test_a_teacher_of_a_file_must_fit_the_space(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    with pytest.raises(UsageError, match=r"teacher.safetensors: .*No such file"):
        load_teacher(path, TINY)
    save_supernet(Supernet(TINY), path)
    with pytest.raises(UsageError, match="holds evo-bnas supernet 1, where evo-bnas network 1 is asked for"):
        load_teacher(path, TINY)
    teacher = a_network()
    save_network(teacher, path, {})
    x = fraction()[:]
    assert torch.equal(load_teacher(path, TINY)(x), teacher(x))
    with pytest.raises(UsageError, match="is a network for 1x8x8 images, and 3x8x8 are asked for"):
        load_teacher(path, TINY.fit((3, 8, 8), 10))
    with pytest.raises(UsageError, match="is a network for 10 classes, and 4 are asked for; name a network"):
        load_teacher(path, TINY.fit((1, 8, 8), 4))


def test_a_run_trains_in_stages_with_its_teacher_and_then_needs_it_no_more(
    digits: Dataset, tmp_path: Path
) -> None:
    file, folder = tmp_path / "teacher.safetensors", tmp_path / "run"
    recipe = "digits"
    overrides = [
        f"supernet.teacher={file}",
        "supernet.real_epochs=1",
        "supernet.epochs=2",
        "supernet.batch=256",
        "engine.device=cpu",
    ]
    with pytest.raises(UsageError, match=r"supernet.teacher: .*teacher.safetensors: .*No such file"):
        start(recipe, folder, overrides)
    assert not folder.exists()

    teacher = Network(SPACES["elastic-8"].draw(SPACES["elastic-8"].smallest()))
    teacher.set_statistics(calibrate(teacher.run, digits.train, 128))
    save_network(teacher, file, {})
    told: list[tuple[str, int]] = []
    run = start(recipe, folder, overrides)
    train_stage(run, lambda progress: told.append((progress.stage, progress.done)))
    assert told == [("supernet, real weights", 1), ("supernet", 1), ("supernet", 2)]
    assert run.supernet_file.exists()
    assert not list(run.checkpoint.iterdir())

    file.unlink()
    assert start(recipe, folder, overrides).recipe == run.recipe


def test_a_run_goes_on_with_the_teacher_that_it_was_begun_with(tmp_path: Path) -> None:
    file, folder = tmp_path / "teacher.safetensors", tmp_path / "run"
    overrides = [
        f"supernet.teacher={file}",
        "supernet.epochs=1",
        "supernet.batch=256",
        "engine.device=cpu",
    ]
    save_network(a_network(), file, {})
    begun = start("digits", folder, overrides)
    assert begun.environment.teacher == weights_file.fingerprint(file)
    old = file.read_bytes()
    save_network(a_network(seed=6), file, {})
    for run in (Run.open(folder), start("digits", folder, overrides)):
        with pytest.raises(
            UsageError, match=r"supernet.teacher: .*teacher.safetensors: has changed: .* --out"
        ):
            train_stage(run)
    file.write_bytes(old)
    train_stage(Run.open(folder))
    assert begun.supernet_file.exists()


OFF_DEFAULT = {
    "epochs": 7,
    "real_epochs": 5,
    "batch": 32,
    "lr": 0.03,
    "warm_up": 2,
    "decay": 1e-3,
    "decay_until": 0.4,
    "label_smoothing": 0.2,
    "clip": 3.0,
}


@pytest.mark.parametrize("part", ["supernet", "retrain"])
def test_every_option_of_a_recipe_reaches_its_training(part: str, tmp_path: Path) -> None:
    options = {f"{part}.{name}": value for name, value in OFF_DEFAULT.items()} | {
        "supernet.augment.crop": 1,
        "supernet.augment.flip": True,
        "supernet.augment.cutout": 3,
        "supernet.sign_gradient": "ste",
        "supernet.sign_clip": 1.5,
        "seed": 11,
        "engine.device": "cpu",
    }
    run = start("digits", tmp_path / "run", [f"{name}={value}" for name, value in options.items()])
    asked: TrainingSettings = getattr(run.recipe, part)
    assert TrainingSettings.model_fields.keys() == OFF_DEFAULT.keys()
    assert all(
        getattr(asked, name) != field.default
        for name, field in type(asked).model_fields.items()
        if name in OFF_DEFAULT
    )
    expected = Schedule(asked, 5, 11, AugmentationSettings(crop=1, flip=True, cutout=3))
    assert inputs.stages(run, asked) == [("real", expected), ("binary", replace(expected, epochs=7))]
    stages: tuple[Weights, ...] = ("real", "binary")
    for weights in stages:
        assert inputs.mode(run, weights) == Mode(weights, "ste", max_grad_norm=1.5)


# Checkpoints


class Stop(KeyboardInterrupt):
    """Stands for Ctrl-C at a known place."""


class EveryStep(Checkpoint):
    """Saves after every step and stops the training after some of them, as a killed process would."""

    due = True  # type: ignore[assignment]

    def __init__(self, path: Path, stop: int | None = None) -> None:
        super().__init__(path)
        self.stop = stop

    def save(self, step: int, parameters, optimizer) -> None:  # type: ignore[no-untyped-def]
        super().save(step, parameters, optimizer)
        if step == self.stop:
            raise Stop


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


@pytest.fixture(scope="module")
def undisturbed() -> Supernet:
    return train_tiny(NoCheckpoint())


def test_a_training_is_a_function_of_its_seed(undisturbed: Supernet) -> None:
    torch.manual_seed(99)
    assert equal(train_tiny(NoCheckpoint()), undisturbed)


@pytest.mark.parametrize("stops", [[1], [2], [3], [7], [11], [12], [1, 2, 3], [5, 6, 10]], ids=str)
def test_a_resumed_training_is_the_same_training(
    stops: list[int], undisturbed: Supernet, tmp_path: Path
) -> None:
    path = tmp_path / "some" / "checkpoint.safetensors"
    for stop in stops:
        with pytest.raises(Stop):
            train_tiny(EveryStep(path, stop))
    assert equal(train_tiny(Checkpoint(path)), undisturbed)
    # It is finished: called again, it only reads the weights.
    told: list[Progress] = []
    assert equal(train_tiny(Checkpoint(path), told.append), undisturbed)
    assert told == []


def train_in_stages(folder: Path, sampler: Sampler, teacher: Teacher | None, stop: int | None) -> Supernet:
    """Two stages of six steps with every option that a schedule has; the stop counts both."""
    supernet = Supernet(TINY, seed=1)
    for first, weights in ((0, "real"), (6, "binary")):
        train_supernet(
            supernet,
            fraction(),
            changed(
                SCHEDULE, epochs=2, warm_up=1, weight_decay_until=0.5, label_smoothing=0.1, max_grad_norm=0.5
            ),
            sampler,
            mode=Mode(weights, "tanh"),
            teacher=teacher,
            checkpoint=EveryStep(folder / weights, stop - first if stop else None),
        )
    return supernet


@pytest.mark.parametrize(
    ("sampler", "teacher"),
    [(uniform, a_network()), (fair, "in-place"), (sandwich, "in-place"), (cost_uniform, None)],
    ids=["uniform-file", "fair-in-place", "sandwich-in-place", "cost_uniform-none"],
)
def test_a_training_resumes_whatever_its_sampler_and_its_teacher(
    sampler: Sampler, teacher: Teacher | None, tmp_path: Path
) -> None:
    undisturbed = train_in_stages(tmp_path / "undisturbed", sampler, teacher, None)
    assert all(parameter.isfinite().all() for parameter in undisturbed.parameters())
    for stop in (2, 6, 9):
        with pytest.raises(Stop):
            train_in_stages(tmp_path, sampler, teacher, stop)
    assert equal(train_in_stages(tmp_path, sampler, teacher, None), undisturbed)


def test_some_parameters_wait_for_their_first_step(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stop):
        train_tiny(EveryStep(path, 1))
    state, header = weights_file.read(path, "checkpoint")
    assert header["step"] == "1"
    weights = {name.removeprefix("weights/") for name in state if name.startswith("weights/")}
    moments = {name.split("/")[2] for name in state if name.startswith("adam/")}
    assert moments < weights  # else the tests of resume above say less than they seem to


def test_an_interrupt_outside_a_save_loses_only_the_steps_since(
    undisturbed: Supernet, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def interrupt(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_tiny(EveryStep(path), interrupt)
    assert weights_file.read(path, "checkpoint")[1]["step"] == "5"
    assert equal(train_tiny(Checkpoint(path)), undisturbed)


def test_ctrl_c_saves_first_and_then_interrupts(undisturbed: Supernet, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def press(progress: Progress) -> None:
        if progress.done == 2:
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(Checkpoint(path), press)
    assert signal.getsignal(signal.SIGINT) is handler
    assert weights_file.read(path, "checkpoint")[1]["step"] == "6"
    assert equal(train_tiny(Checkpoint(path)), undisturbed)


def test_ctrl_c_in_a_real_process_saves_and_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.train_driver", str(path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert process.returncode == -signal.SIGINT
    assert int(weights_file.read(path, "checkpoint")[1]["step"]) >= 3


def test_checkpoints_are_due_by_time_and_removed_when_asked(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors")
    assert not checkpoint.due
    checkpoint._saved -= 3600
    assert checkpoint.due
    checkpoint.remove()
    train_tiny(checkpoint, epochs=1)
    assert checkpoint.path.exists()
    checkpoint.remove()
    assert not checkpoint.path.exists()


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    train_tiny(Checkpoint(path), epochs=1)
    for space in (SPACES["elastic-8"], SPACES["group-mobile-8"]):
        network = Network(space.draw(space.smallest()))
        with pytest.raises(UsageError, match=r"is of another training: .* does not fit; delete it"):
            _retrain(network, Checkpoint(path), Mode())


@pytest.mark.parametrize("bytes_left", [0, 50, -1])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, bytes_left: int) -> None:
    path = tmp_path / "checkpoint.safetensors"
    train_tiny(Checkpoint(path), epochs=1)
    path.write_bytes(path.read_bytes()[:bytes_left])
    with pytest.raises(UsageError, match="is no whole safetensors file"):
        train_tiny(Checkpoint(path))


@pytest.mark.parametrize("header", [{}, {"step": ""}, {"step": "-1"}, {"step": "many"}, {"step": "1.5"}])
def test_a_checkpoint_without_its_step_is_refused(tmp_path: Path, header: dict[str, str]) -> None:
    path = tmp_path / "checkpoint.safetensors"
    train_tiny(Checkpoint(path), epochs=1)
    state, _ = weights_file.read(path, "checkpoint")
    weights_file.write(path, "checkpoint", state, header)
    with pytest.raises(UsageError, match="does not say how far"):
        train_tiny(Checkpoint(path))


def test_moments_that_belong_to_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    train_tiny(Checkpoint(path), epochs=1)
    state, header = weights_file.read(path, "checkpoint")
    weights_file.write(path, "checkpoint", state | {"adam/exp_avg/other": torch.zeros(1)}, header)
    with pytest.raises(UsageError, match="other does not fit"):
        train_tiny(Checkpoint(path))


# Retraining


def _retrain(network: Network, checkpoint: Checkpoint, mode: Mode) -> None:
    retrain(
        network,
        fraction(),
        changed(SCHEDULE, epochs=1),
        stage="retrain",
        mode=mode,
        precision="float32",
        checkpoint=checkpoint,
        report=silent,
    )


def test_two_stages_train_real_then_binary_weights(tmp_path: Path) -> None:
    blueprint = TINY.draw(TINY.sample(np.random.default_rng(1)))
    network = Network(blueprint)
    x = fraction()[:]

    def outputs() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return network(x, Mode("real")), network(x, Mode("binary"))

    _retrain(network, Checkpoint(tmp_path / "real"), Mode("real"))
    real, binary = outputs()
    assert not torch.allclose(real, binary)
    _retrain(network, Checkpoint(tmp_path / "binary"), Mode("binary"))
    assert not torch.allclose(outputs()[1], binary)

    # Taken up after either stage, the result is the same.
    for first in ("real", "binary"):
        again = Network(blueprint)
        if first == "real":
            _retrain(again, Checkpoint(tmp_path / "real"), Mode("real"))
        _retrain(again, Checkpoint(tmp_path / "binary"), Mode("binary"))
        assert equal(again, network)


def test_retraining_from_scratch_depends_on_the_seed_of_the_weights() -> None:
    blueprint = TINY.draw(TINY.smallest())
    assert equal(Network(blueprint, seed=1), Network(blueprint, seed=1))
    assert not equal(Network(blueprint, seed=1), Network(blueprint, seed=2))


def test_uniform_training_of_the_whole_space_stays_finite() -> None:
    supernet = train_tiny(NoCheckpoint(), sampler=uniform)
    assert all(parameter.isfinite().all() for parameter in supernet.parameters())
