"""Checkpoints: a resumed training equals an uninterrupted one, and foreign checkpoints are refused."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from evo_bnas.binary.execute import Mode
from evo_bnas.binary.network import Network
from evo_bnas.binary.weights import Weights
from evo_bnas.errors import UsageError
from evo_bnas.files import weights_file
from evo_bnas.progress import Progress
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.samplers import Sampler, cost_uniform, fair, sandwich, uniform
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train import checkpoint as checkpoints
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.network import train_network
from evo_bnas.train.supernet import SupernetTraining
from evo_bnas.train.teacher import NO_TEACHER, InPlaceTeacher, NetworkTeacher, Teacher
from tests.support.stages import changed
from tests.support.strategies import SPACES
from tests.support.synthetic import TINY
from tests.support.training import STAGE, EveryStep, NoCheckpoint, Stop, random_images, train_tiny

ONE_EPOCH = changed(STAGE, epochs=1)


def equal(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    state = second.state_dict()
    return all(torch.equal(value, state[name]) for name, value in first.state_dict().items())


def a_network() -> Network:
    network = Network(TINY.draw(TINY.largest()), seed=5)
    network.set_statistics(calibrate(network.run, random_images(), 16))
    return network.eval()


def test_a_training_is_a_function_of_its_seed(uninterrupted: Supernet) -> None:
    torch.manual_seed(99)
    assert equal(train_tiny(NoCheckpoint()), uninterrupted)


@pytest.mark.parametrize("stops", [[1], [3], [4], [7], [15], [16], [1, 2, 3], [5, 8, 11]], ids=str)
def test_a_resumed_training_equals_an_uninterrupted_one(
    stops: list[int], uninterrupted: Supernet, tmp_path: Path
) -> None:
    path = tmp_path / "some" / "checkpoint.safetensors"
    for stop in stops:
        with pytest.raises(Stop):
            train_tiny(EveryStep(path, stop))
    assert equal(train_tiny(Checkpoint(path)), uninterrupted)
    # Once it is finished, another call only reads the weights.
    reported: list[Progress] = []
    assert equal(train_tiny(Checkpoint(path), reported.append), uninterrupted)
    assert reported == []


def train_in_stages(folder: Path, sampler: Sampler, teacher: Teacher, stop: int | None) -> Supernet:
    """Two stages of eight steps with every option set; `stop` counts the steps of both."""
    supernet = Supernet(TINY, seed=1)
    stages: tuple[tuple[int, Weights], ...] = ((0, "real"), (8, "binary"))
    for first, weights in stages:
        stage = changed(
            STAGE,
            epochs=2,
            warm_up=1,
            weight_decay_until=0.5,
            label_smoothing=0.1,
            max_grad_norm=0.5,
            mode=Mode(weights, "tanh"),
        )
        checkpoint = EveryStep(folder / weights, stop - first if stop else None)
        SupernetTraining(supernet, random_images(), stage, sampler, teacher).run(checkpoint)
    return supernet


IN_PLACE = InPlaceTeacher(TINY.largest())


@pytest.mark.parametrize(
    ("sampler", "teacher"),
    [
        (uniform, NetworkTeacher(a_network())),
        (fair, IN_PLACE),
        (sandwich, IN_PLACE),
        (cost_uniform, NO_TEACHER),
    ],
    ids=["uniform-file", "fair-in-place", "sandwich-in-place", "cost_uniform-none"],
)
def test_a_training_resumes_with_every_sampler_and_teacher(
    sampler: Sampler, teacher: Teacher, tmp_path: Path
) -> None:
    uninterrupted = train_in_stages(tmp_path / "uninterrupted", sampler, teacher, None)
    assert all(parameter.isfinite().all() for parameter in uninterrupted.parameters())
    for stop in (2, 8, 11):
        with pytest.raises(Stop):
            train_in_stages(tmp_path, sampler, teacher, stop)
    assert equal(train_in_stages(tmp_path, sampler, teacher, None), uninterrupted)


def test_some_parameters_have_no_moments_at_first(tmp_path: Path) -> None:
    """Otherwise the tests of resume above would cover less than they seem to."""
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stop):
        train_tiny(EveryStep(path, 1))
    state, header = weights_file.read(path, "checkpoint")
    assert header["step"] == "1"
    weights = {name.removeprefix("weights/") for name in state if name.startswith("weights/")}
    moments = {name.split("/")[2] for name in state if name.startswith("adam/")}
    assert moments < weights


def test_an_interrupt_outside_a_save_loses_only_the_steps_since_the_last_save(
    uninterrupted: Supernet, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def interrupt(progress: Progress) -> None:
        if progress.done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_tiny(EveryStep(path), interrupt)
    assert weights_file.read(path, "checkpoint")[1]["step"] == "7"
    assert equal(train_tiny(Checkpoint(path)), uninterrupted)


def test_ctrl_c_saves_first_and_then_interrupts(uninterrupted: Supernet, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def press(progress: Progress) -> None:
        if progress.done == 8:
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(Checkpoint(path), press)
    assert signal.getsignal(signal.SIGINT) is handler
    assert weights_file.read(path, "checkpoint")[1]["step"] == "8"
    assert equal(train_tiny(Checkpoint(path)), uninterrupted)


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
    assert process.stdout.readline() == "4\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert process.returncode == -signal.SIGINT
    assert int(weights_file.read(path, "checkpoint")[1]["step"]) >= 4


def test_checkpoints_are_due_after_some_seconds_and_removed_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors")
    assert not checkpoint.due
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    assert checkpoint.due
    checkpoint.remove()
    train_tiny(checkpoint, stage=ONE_EPOCH)
    assert checkpoint.path.exists()
    checkpoint.remove()
    assert not checkpoint.path.exists()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The checkpoint of a finished training."""
    path = tmp_path / "checkpoint.safetensors"
    train_tiny(Checkpoint(path), stage=ONE_EPOCH)
    return path


def test_a_checkpoint_of_another_training_is_refused(written: Path) -> None:
    for space in (SPACES["elastic-8"], SPACES["group-mobile-8"]):
        network = Network(space.draw(space.smallest()))
        with pytest.raises(UsageError, match=r"checkpoint\.safetensors.*delete it"):
            train_network(network, random_images(), ONE_EPOCH, checkpoint=Checkpoint(written))


@pytest.mark.parametrize("bytes_left", [0, 50, -1])
def test_a_damaged_checkpoint_is_refused(written: Path, bytes_left: int) -> None:
    written.write_bytes(written.read_bytes()[:bytes_left])
    with pytest.raises(UsageError, match=r"checkpoint\.safetensors.*safetensors file"):
        train_tiny(Checkpoint(written))


@pytest.mark.parametrize("header", [{}, {"step": ""}, {"step": "-1"}, {"step": "many"}, {"step": "1.5"}])
def test_a_checkpoint_without_its_step_is_refused(written: Path, header: dict[str, str]) -> None:
    state, _ = weights_file.read(written, "checkpoint")
    weights_file.write(written, "checkpoint", state, header)
    with pytest.raises(UsageError, match=r"checkpoint\.safetensors.*step.*delete it"):
        train_tiny(Checkpoint(written))


def test_moments_of_an_unknown_parameter_are_refused(written: Path) -> None:
    state, header = weights_file.read(written, "checkpoint")
    weights_file.write(written, "checkpoint", state | {"adam/exp_avg/other": torch.zeros(1)}, header)
    with pytest.raises(UsageError, match=r"other.*delete it"):
        train_tiny(Checkpoint(written))
