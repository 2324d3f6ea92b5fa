"""Networks that are trained by several workers: the same files and tables as those of one process."""

import pickle
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evo_bnas.cli import app
from evo_bnas.progress import Progress
from evo_bnas.run.folder import Run
from evo_bnas.run.retrain import retrain, stand_alone
from evo_bnas.run.start import resume, start
from evo_bnas.supernet.supernet import Supernet, save_supernet
from tests.support.dying_retraining import Dying
from tests.support.ray_cluster import cluster

pytestmark = pytest.mark.slow

SMALL = (
    "search.limits={ops: 12k}",
    "retrain.epochs=3",
    "retrain.batch=256",
    "engine.threads=1",
    "engine.device=cpu",
)
KEYS = ["c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g2", "c8-c16d1.k3g1-c32d1.k5g2-c64d1.k3g4"]
FILES = ("network.safetensors", "card.json")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster() as started:
        yield started.address


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose two networks were retrained by this process."""
    run = start("digits", tmp_path_factory.mktemp("work") / "one", SMALL)
    save_supernet(Supernet(run.space), run.supernet_file)
    retrain(run, keys=KEYS)
    return run.folder


@pytest.fixture
def two(one: Path, tmp_path: Path, address: str) -> Run:
    """The same run with two workers, and with nothing retrained."""
    folder = shutil.copytree(one, tmp_path / "two", ignore=shutil.ignore_patterns("picks"))
    return resume(folder, ["engine.workers=2", f"engine.address={address}"])


def retrained(folder: Path) -> list[bytes]:
    return [(folder / "picks" / key / file).read_bytes() for key in KEYS for file in FILES]


def test_a_worker_killed_in_a_training_changes_nothing(
    one: Path, two: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evo_bnas.run.retrain.Retraining", Dying)
    told: list[Progress] = []
    retrain(two, told.append, KEYS)
    epochs = [(two.folder / f"{key}.epochs").read_text() for key in KEYS]
    assert sorted(epochs) == ["1223", "123"], "the next worker goes on from the checkpoint"
    stages = {step.stage for step in told}
    assert stages == {f"retrain, binary weights, {key}" for key in KEYS}
    assert retrained(two.folder) == retrained(one)
    assert not list(two.checkpoint.iterdir())
    assert not list(two.folder.glob(".worker-*"))


def test_what_fails_on_a_worker_keeps_nothing_else_from_its_end(one: Path, two: Run, address: str) -> None:
    elsewhere = two.pick_folder(KEYS[0])
    elsewhere.mkdir(parents=True)
    words = ["retrain", str(two.folder), *KEYS, "--workers", "64", "--address", address]
    with two.lock(elsewhere):
        failed = CliRunner().invoke(app, words)
    assert failed.exit_code == 1
    why = rf"1 of 2 networks could not be trained: UsageError: .*writing here.* \({KEYS[0]} on node "
    assert re.search(why, failed.stderr)
    assert f"retrain, binary weights, {KEYS[1]}: 3/3 epochs, loss" in failed.stderr
    assert (two.pick_folder(KEYS[1]) / "card.json").exists()
    # One network is trained by this process, and the other one is found.
    retrain(Run.open(two.folder), keys=KEYS)
    assert retrained(two.folder) == retrained(one)


def test_a_training_arrives_elsewhere_without_a_copy_of_its_images(one: Path) -> None:
    here = stand_alone(Run.open(one), 1, 0)
    smallest = Run.open(one).space.smallest()
    known = here([smallest])  # which counts a cost that does not travel
    buffers: list[pickle.PickleBuffer] = []
    header = pickle.dumps(here, protocol=5, buffer_callback=buffers.append)
    assert len(header) < 20_000
    there = pickle.loads(header, buffers=[buffer.raw().tobytes() for buffer in buffers])
    assert [replace(score, seconds=0) for score in there([smallest])] == [replace(known[0], seconds=0)]


def test_a_fidelity_of_two_workers_is_that_of_one(one: Path, two: Run, address: str) -> None:
    words = ["--networks", "3", "--epochs", "2"]
    assert CliRunner().invoke(app, ["fidelity", str(one), *words]).exit_code == 0
    several = ["--workers", "2", "--address", address]
    assert CliRunner().invoke(app, ["fidelity", str(two.folder), *words, *several]).exit_code == 0
    assert two.fidelity_csv.read_bytes() == (one / "fidelity.csv").read_bytes()
    assert not list(two.checkpoint.iterdir())
    again = CliRunner().invoke(app, ["fidelity", str(two.folder), *words, *several[:3], "127.0.0.1:1"])
    assert again.exit_code == 0, "what is over needs no cluster"
