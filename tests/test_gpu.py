"""The same on a GPU as on the CPU: deselected where there is none."""

from functools import partial
from pathlib import Path

import pytest
import torch

from evo_bnas.data.dataset import load
from evo_bnas.evaluate.supernet import correctly_classified
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.samplers import uniform
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.augment import augment
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.precision import Precision
from evo_bnas.train.settings import AugmentationSettings
from evo_bnas.train.supernet import SupernetTraining
from tests.support.digits import DIGITS
from tests.support.stages import stage
from tests.support.strategies import SPACES

pytestmark = pytest.mark.gpu

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SPACE = SPACES["elastic-8"]


def trained(device: torch.device, folder: Path, epochs: int, precision: Precision = "float32") -> Supernet:
    images = load(DIGITS, seed=0).to(device).train
    supernet = Supernet(SPACE, seed=0).to(device)
    short = stage(epochs, batch=64, lr=5e-3, augment=AugmentationSettings(crop=1), precision=precision)
    SupernetTraining(supernet, images, short, uniform).run(Checkpoint(folder / f"{device.type}.safetensors"))
    return supernet


@pytest.mark.parametrize("end", ["smallest", "largest"])
def test_statistics_and_classes_are_those_of_the_cpu(end: str) -> None:
    architecture = getattr(SPACE, end)()
    found = {}
    for device in (CPU, GPU):
        supernet, images = Supernet(SPACE, seed=0).to(device), load(DIGITS, seed=0).to(device)
        forward = partial(supernet, architecture=architecture)
        statistics = calibrate(forward, images.train[:256], 128)
        correct = correctly_classified(partial(forward, norm=statistics), images.search, images.search.y, 128)
        found[device.type] = {name: value.cpu() for name, value in statistics.items()}, correct.cpu()
    (on_cpu, classes), (on_gpu, same) = found["cpu"], found["cuda"]
    stem = min(on_cpu, key=lambda name: (not name.startswith("stem"), name))
    assert torch.allclose(on_cpu[stem], on_gpu[stem], rtol=1e-4, atol=1e-5)
    assert (classes == same).float().mean() >= 0.98


def test_augmentation_draws_on_the_device() -> None:
    images = load(DIGITS, seed=0).to(GPU).train
    noise = torch.Generator(GPU).manual_seed(0)
    varied = augment(images[:32], AugmentationSettings(crop=1, flip=True, cutout=2), noise)
    assert varied.device.type == "cuda"
    assert varied.shape == (32, 1, 8, 8)


def test_nothing_in_a_training_step_waits_for_the_gpu(tmp_path: Path) -> None:
    """Of an epoch's steps only the loss at its end and the checkpoint may."""
    warnings: list[str] = []
    images = load(DIGITS, seed=0).to(GPU).train
    supernet = Supernet(SPACE, seed=0).to(GPU)
    short = stage(1, batch=16, lr=5e-3, augment=AugmentationSettings(crop=1))
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with pytest.warns(UserWarning, match="synchroniz") as caught:
            SupernetTraining(supernet, images, short, uniform).run(Checkpoint(tmp_path / "c"))
        warnings = [str(one.message) for one in caught]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(warnings) < short.steps(len(images))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_digits_are_learned_on_a_gpu(precision: Precision, tmp_path: Path) -> None:
    supernet = trained(GPU, tmp_path, epochs=20, precision=precision)
    images = load(DIGITS, seed=0).to(GPU)
    forward = partial(supernet, architecture=SPACE.largest())
    statistics = calibrate(forward, images.train[:512], 128)
    correct = correctly_classified(partial(forward, norm=statistics), images.search, images.search.y, 128)
    assert correct.float().mean() > 0.8
