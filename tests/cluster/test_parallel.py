"""Networks trained by several workers: the files and tables equal those of one process."""

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
from evo_bnas.run.network_training import short_training
from evo_bnas.run.retrain import retrain
from evo_bnas.run.start import resume, start
from evo_bnas.supernet.supernet import Supernet, save_supernet
from tests.support.dying_retraining import DyingRetraining
from tests.support.ray_cluster import cluster
from tests.support.short_runs import SHORT

pytestmark = pytest.mark.slow

SMALL = (*SHORT, "search.limits={ops: 12k}", "retrain.epochs=3")
KEYS = ["c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g2", "c8-c16d1.k3g1-c32d1.k5g2-c64d1.k3g4"]
FILES = ("network.safetensors", "card.json")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster() as started:
        yield started.address


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two networks, retrained by this process."""
    run = start("digits", tmp_path_factory.mktemp("work") / "one", SMALL)
    save_supernet(Supernet(run.space), run.supernet_file)
    retrain(run, keys=KEYS)
    return run.folder


@pytest.fixture
def two(one: Path, tmp_path: Path, address: str) -> Run:
    """The same run with two workers and nothing retrained yet."""
    folder = shutil.copytree(one, tmp_path / "two", ignore=shutil.ignore_patterns("picks"))
    return resume(folder, ["engine.workers=2", f"engine.address={address}"])


def retrained(folder: Path) -> list[bytes]:
    return [(folder / "picks" / key / file).read_bytes() for key in KEYS for file in FILES]


def test_a_worker_killed_in_a_training_changes_nothing(
    one: Path, two: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evo_bnas.run.retrain.Retraining", DyingRetraining)
    reported: list[Progress] = []
    retrain(two, reported.append, KEYS)
    epochs = [(two.folder / f"{key}.epochs").read_text() for key in KEYS]
    assert sorted(epochs) == ["1223", "123"], "the next worker resumes from the checkpoint"
    assert {step.stage for step in reported} == {f"retrain, {key}" for key in KEYS}
    assert retrained(two.folder) == retrained(one)
    assert not list(two.checkpoint.iterdir())
    assert not list(two.folder.glob(".worker-*"))


def test_a_training_that_fails_does_not_stop_the_others(one: Path, two: Run, address: str) -> None:
    locked = two.pick_folder(KEYS[0])
    locked.mkdir(parents=True)
    words = ["retrain", str(two.folder), *KEYS, "--workers", "64", "--address", address]
    with two.lock(locked):
        failed = CliRunner().invoke(app, words)
    assert failed.exit_code == 1
    assert re.search(rf"1 of 2 networks.*UsageError: {locked}.* \({KEYS[0]} on node ", failed.stderr)
    assert f"retrain, {KEYS[1]}: 99/99 steps, loss" in failed.stderr
    assert (two.pick_folder(KEYS[1]) / "card.json").exists()
    # This process trains one network; the other one is done.
    retrain(Run.open(two.folder), keys=KEYS)
    assert retrained(two.folder) == retrained(one)


def test_a_pickled_training_contains_no_copy_of_its_images(one: Path) -> None:
    here = short_training(Run.open(one), "scratch", 1, 0)
    smallest = Run.open(one).space.smallest()
    expected = here([smallest])  # which also fills a cache of costs, not pickled
    buffers: list[pickle.PickleBuffer] = []
    header = pickle.dumps(here, protocol=5, buffer_callback=buffers.append)
    assert len(header) < 20_000
    there = pickle.loads(header, buffers=[buffer.raw().tobytes() for buffer in buffers])
    assert [replace(score, seconds=0) for score in there([smallest])] == [replace(expected[0], seconds=0)]


def test_a_ranking_with_two_workers_equals_that_of_one(one: Path, two: Run, address: str) -> None:
    words = ["--networks", "3", "--epochs", "2"]
    assert CliRunner().invoke(app, ["ranking", str(one), *words]).exit_code == 0
    several = ["--workers", "2", "--address", address]
    assert CliRunner().invoke(app, ["ranking", str(two.folder), *words, *several]).exit_code == 0
    assert two.ranking_csv.read_bytes() == (one / "ranking.csv").read_bytes()
    assert not list(two.checkpoint.iterdir())
    again = CliRunner().invoke(app, ["ranking", str(two.folder), *words, *several[:3], "127.0.0.1:1"])
    assert again.exit_code == 0, "a finished ranking needs no cluster"
