"""The training stage of a run: its stages, its teacher, and the options of its recipe."""

from pathlib import Path

import pytest

from evo_bnas.binary.execute import Mode
from evo_bnas.binary.network import Network, save_network
from evo_bnas.data.dataset import load
from evo_bnas.errors import UsageError
from evo_bnas.files import weights_file
from evo_bnas.progress import Progress
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.start import start
from evo_bnas.run.train import train
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.train.settings import AugmentationSettings, TrainingSettings
from evo_bnas.train.stage import TrainingStage
from tests.support.digits import DIGITS
from tests.support.short_runs import SHORT
from tests.support.strategies import SPACES
from tests.support.synthetic import TINY
from tests.support.training import random_images

OVERRIDES = (*SHORT, "supernet.epochs=2")


def a_teacher(seed: int) -> Network:
    network = Network(TINY.draw(TINY.largest()), seed=seed)
    network.set_statistics(calibrate(network.run, random_images(), 16))
    return network


def test_a_run_trains_in_stages_with_its_teacher_and_then_no_longer_needs_it(tmp_path: Path) -> None:
    file, folder = tmp_path / "teacher.safetensors", tmp_path / "run"
    overrides = [f"supernet.teacher={file}", "supernet.real_epochs=1", *OVERRIDES]
    with pytest.raises(UsageError, match=r"supernet\.teacher: .*teacher\.safetensors"):
        start("digits", folder, overrides)
    assert not folder.exists()

    teacher = Network(SPACES["elastic-8"].draw(SPACES["elastic-8"].smallest()))
    teacher.set_statistics(calibrate(teacher.run, load(DIGITS, seed=0).train, 128))
    save_network(teacher, file, {})
    reported: list[Progress] = []
    run = start("digits", folder, overrides)
    train(run, reported.append)
    assert [step.stage for step in reported] == ["supernet, real weights", "supernet", "supernet"]
    first, second, third = reported
    assert first.done == first.total == second.done
    assert third.done == third.total == 2 * second.done
    assert run.supernet_file.exists()
    assert not list(run.checkpoint.iterdir())

    file.unlink()
    assert start("digits", folder, overrides).recipe == run.recipe


def test_a_run_resumes_only_with_the_teacher_that_it_was_started_with(tmp_path: Path) -> None:
    file, folder = tmp_path / "teacher.safetensors", tmp_path / "run"
    overrides = [f"supernet.teacher={file}", *OVERRIDES]
    save_network(a_teacher(seed=5), file, {})
    started = start("digits", folder, overrides)
    assert started.environment.teacher == weights_file.fingerprint(file)
    original = file.read_bytes()
    save_network(a_teacher(seed=6), file, {})
    for run in (Run.open(folder), start("digits", folder, overrides)):
        with pytest.raises(UsageError, match=r"supernet\.teacher: .*teacher\.safetensors.*--out"):
            train(run)
    file.write_bytes(original)
    train(Run.open(folder))
    assert started.supernet_file.exists()


OFF_DEFAULT = {
    "epochs": 7,
    "min_steps": 9,
    "real_epochs": 5,
    "batch": 32,
    "lr": 0.03,
    "warm_up": 2,
    "weight_decay": 1e-3,
    "weight_decay_until": 0.4,
    "label_smoothing": 0.2,
    "max_grad_norm": 3.0,
}


@pytest.mark.parametrize("section", ["supernet", "retrain"])
def test_every_option_of_a_recipe_reaches_its_training(section: str, tmp_path: Path) -> None:
    options = {f"{section}.{name}": value for name, value in OFF_DEFAULT.items()} | {
        "supernet.augment.crop": 1,
        "supernet.augment.flip": True,
        "supernet.augment.cutout": 3,
        "supernet.sign_gradient": "ste",
        "supernet.sign_clip": 1.5,
        "seed": 11,
        "engine.device": "cpu",
        "engine.precision": "bfloat16",
    }
    run = start("digits", tmp_path / "run", [f"{name}={value}" for name, value in options.items()])
    settings: TrainingSettings = getattr(run.recipe, section)
    assert TrainingSettings.model_fields.keys() == OFF_DEFAULT.keys()
    fields = type(settings).model_fields
    assert all(
        getattr(settings, name) == value != fields[name].default for name, value in OFF_DEFAULT.items()
    )
    augment = AugmentationSettings(crop=1, flip=True, cutout=3)
    real, binary = inputs.stages(run, section, settings)
    assert real == TrainingStage(
        f"{section}, real weights", settings, 11, augment, Mode("real", "ste", clip=1.5), "bfloat16"
    )
    assert binary == TrainingStage(
        section, settings, 11, augment, Mode("binary", "ste", clip=1.5), "bfloat16"
    )
    assert (real.epochs(1_000), binary.epochs(1_000)) == (5, 7)
