"""Runs on several workers, from a recipe or the command line, with a real supernet."""

import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from typer.testing import CliRunner

from evo_bnas.archive.journal import read
from evo_bnas.cli import app
from evo_bnas.cluster import access
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import ClusterError, UsageError
from evo_bnas.machine import cores
from evo_bnas.recipe import differences, load
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.search import search as search_stage
from evo_bnas.run.start import resume, start
from evo_bnas.supernet.supernet import Supernet, save_supernet

COLUMNS = [
    "id",
    "key",
    "origin",
    "seen",
    "predicted",
    "status",
    "error",
    "ops",
    "params",
    "weights",
    "protocol",
]


def untrained_run(folder: Path, *changes: str) -> Run:
    """A run of digits whose supernet file holds initial weights."""
    engine = ["engine.threads=1", "engine.device=cpu", "engine.cpus=0.5", "engine.synchronous=true"]
    run = start("digits", folder, ["search.evaluations=16", *engine, *changes])
    save_supernet(Supernet(run.space), run.supernet_file)
    return run


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files; its name is short, since paths of sockets are limited."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


@pytest.fixture
def listening() -> Iterator[str]:
    """An address at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.slow
def test_two_workers_finish_a_search_as_one_would_and_leave_nothing_behind(
    tmp_path: Path, temporary: Path
) -> None:
    one = untrained_run(tmp_path / "one")
    search_stage(one)
    two = Path(shutil.copytree(one.folder, tmp_path / "two"))
    lines = (two / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (two / "journal.jsonl").write_bytes(b"".join(lines[:19]))
    command = [sys.executable, "-m", "evo_bnas", "search", str(two), "--workers", "2"]
    home = tmp_path / "home"
    home.mkdir()
    own = {"HOME": str(home), "TMPDIR": str(temporary), "MPLCONFIGDIR": matplotlib.get_cachedir()}
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=True)
    assert "All 16 evaluations are done" in done.stdout
    assert "ray" not in done.stdout + done.stderr
    journals = [read(folder / "journal.jsonl", one.space).frame()[COLUMNS] for folder in (one.folder, two)]
    assert journals[0].equals(journals[1])
    assert Run.open(two).recipe.engine.workers == 1, "resources on the command line hold for that command"
    assert [*home.iterdir(), *temporary.iterdir()] == []
    commands = subprocess.run(["ps", "-eo", "cmd"], capture_output=True, text=True, check=True).stdout
    assert str(temporary) not in commands
    unreachable = resume(two, ["engine.workers=2", "engine.address=127.0.0.1:1"])
    assert "16" in search_stage(unreachable).reason, "a finished search needs no cluster"


@pytest.mark.parametrize("backend", ["packed", "torch"])
def test_a_pickled_evaluator_contains_no_copy_of_its_arrays(tmp_path: Path, backend: str) -> None:
    here = inputs.evaluator(untrained_run(tmp_path / "run", f"evaluate.backend={backend}"))
    buffers: list[pickle.PickleBuffer] = []
    header = pickle.dumps(here, protocol=5, buffer_callback=buffers.append)
    assert len(header) < 20_000
    stored = [buffer.raw().tobytes() for buffer in buffers]
    there = pickle.loads(header, buffers=stored)
    parameters = dict(there.supernet.named_parameters())
    addresses = {np.frombuffer(buffer, np.uint8).ctypes.data for buffer in stored}
    assert {tensor.data_ptr() for tensor in parameters.values()} <= addresses
    assert there.search[0].data_ptr() in addresses
    for architecture in (here.supernet.space.smallest(), here.supernet.space.largest()):
        (score,), (known,) = there([architecture]), here([architecture])
        assert (score.objectives, score.correct) == (known.objectives, known.correct)
        assert (score.weights, score.protocol) == (known.weights, known.protocol)


def test_resources_are_not_part_of_a_run() -> None:
    one = load("digits")
    resources = ["workers=8", "cpus=2", "gpus=0.25", "address=auto", "synchronous=true", "deadline=60"]
    many = load("digits", [f"engine.{item}" for item in resources])
    assert many.engine != one.engine
    assert many.hash == one.hash
    assert differences(one, many) == []
    assert differences(one, load("digits", ["engine.threads=3", "engine.workers=2"])) != []


def test_several_workers_have_the_threads_of_their_cpus(tmp_path: Path, listening: str) -> None:
    engine = ["engine.threads=null", "engine.workers=2", f"engine.address={listening}"]
    assert start("digits", tmp_path / "two", engine).compute.worker_threads == 1
    engine.append("engine.cpus=3")
    assert start("digits", tmp_path / "larger", engine).compute.worker_threads == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["engine.workers=2", "search.objectives=[error, latency_ms]"], "latency_ms.*workers"),
        (["engine.cpus=0"], "cpus and gpus"),
        (["engine.workers=0"], "engine.workers"),
        (["engine.deadline=0"], "engine.deadline"),
    ],
)
def test_impossible_engine_settings_are_refused(changes: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load("digits", ["search.explorer=nsga2", *changes])


def test_without_ray_several_workers_or_ranks_are_refused_and_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "find_spec", lambda name: None if name == "ray" else find_spec(name))
    install = r"Ray; pip install 'evo-bnas\[cluster\]'"
    for override, key in (
        ("engine.workers=2", "engine.workers: 2"),
        ("supernet.ranks=2", "supernet.ranks: 2"),
        ("engine.address=auto", "engine.address: auto"),
    ):
        with pytest.raises(UsageError, match=f"{key} .*{install}"):
            start("digits", tmp_path / "run", [override])
    assert not (tmp_path / "run").exists()
    start("digits", tmp_path / "run")


@pytest.mark.parametrize("override", ["engine.workers=500", "supernet.ranks=500"])
def test_more_workers_than_this_machine_has_cores_are_refused_before_anything_is_trained(
    override: str, tmp_path: Path
) -> None:
    key = override.partition("=")[0]
    with pytest.raises(UsageError, match=f"{key}: 500 with 1 CPU each.*{cores()} cores.*engine.address"):
        start("digits", tmp_path / "run", ["supernet.batch=512", override])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("override", ["engine.address=127.0.0.1:1", "supernet.ranks=2"])
def test_a_cluster_that_does_not_answer_is_refused_before_anything_is_trained(
    override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UsageError, match=r"engine\.address: .*127\.0\.0\.1:1"):
        start("digits", tmp_path / "run", [override])
    assert not (tmp_path / "run").exists()
    run = untrained_run(tmp_path / "run")  # its supernet file exists
    assert resume(run.folder, ["engine.workers=2"]).recipe.engine.workers == 2
    run.supernet_file.unlink()
    with pytest.raises(UsageError, match=r"engine\.address: .*127\.0\.0\.1:1"):
        resume(run.folder, ["engine.workers=2"])


def test_other_resources_are_accepted_but_no_other_changes(tmp_path: Path) -> None:
    folder = start("digits", tmp_path / "run").folder
    with pytest.raises(UsageError, match=r"run: seed: 0 .*1 .*--out"):
        resume(folder, ["engine.workers=2", "seed=1"])


def test_on_a_gpu_every_worker_needs_a_share() -> None:
    with (
        pytest.raises(UsageError, match=r"engine\.gpus: .*0\.25"),
        access.open_engine(EngineSettings(workers=2), lambda _: [], 8, "cuda"),
    ):
        pass


def test_a_lost_cluster_ends_a_command_with_its_message_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise ClusterError("the head of the cluster is lost")

    untrained_run(tmp_path / "run")
    monkeypatch.setattr("evo_bnas.run.search.search", lost)
    done = CliRunner().invoke(app, ["search", str(tmp_path / "run")])
    assert (done.exit_code, done.stderr) == (1, "the head of the cluster is lost\n")


def test_one_worker_and_one_rank_load_nothing_of_ray() -> None:
    script = (
        "import sys, evo_bnas.run.start; print('ray' in sys.modules, 'torch' in sys.modules)\n"
        "import evo_bnas.run.pipeline; print('ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "False"]
