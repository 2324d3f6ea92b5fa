"""A run's folder: what is in it, who may write, and what a kill leaves behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evo_bnas.errors import UsageError
from evo_bnas.files import atomic
from evo_bnas.recipe import Recipe, load
from evo_bnas.run.folder import Run
from evo_bnas.run.start import fitted_space

CPU = "engine.device=cpu"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "digits"


def recipe(*overrides: str) -> Recipe:
    return load("digits", [CPU, *overrides])


def start(folder: Path, *overrides: str) -> Run:
    asked = recipe(*overrides)
    return Run.create(asked, fitted_space(asked), folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_run(folder: Path) -> None:
    run = start(folder)
    assert {"recipe.yaml", "space.yaml", "environment.json"} <= set(contents(folder))
    assert not [name for name in contents(folder) if name.endswith(".new")]
    assert load(run.recipe_file) == run.recipe == recipe()
    environment = json.loads(run.environment_file.read_text())
    decided: dict[str, object] = {"device": "cpu", "precision": "float32", "threads": 1, "worker_threads": 1}
    decided["backend"] = "packed"
    assert environment["compute"] == decided
    assert environment["versions"].keys() >= {"python", "torch", "numpy"}
    assert run.compute.threads == 1


def test_all_cores_where_no_number_is_asked_for(folder: Path) -> None:
    assert start(folder, "engine.threads=null").compute.threads >= 1


def test_a_reader_sees_the_same_run(folder: Path) -> None:
    run, read = start(folder), Run.open(folder)
    assert read.recipe == run.recipe
    assert read.environment == run.environment
    assert read.space.hash == run.space.hash
    assert read.space.name == "elastic-8"


def test_the_same_command_continues(folder: Path) -> None:
    start(folder)
    before = contents(folder)
    start(folder)
    assert contents(folder) == before


def test_a_continued_run_keeps_how_it_computes(folder: Path) -> None:
    run = start(folder)
    changed = run.environment.model_copy(update={"commit": "of another day", "cpu": "of another machine"})
    atomic.write_bytes(run.environment_file, changed.model_dump_json().encode())
    assert start(folder).environment == changed


def test_a_longer_search_continues_and_is_written_down(folder: Path) -> None:
    start(folder)
    start(folder, "search.evaluations=300", "pick.limits.ops=10k")
    assert Run.open(folder).recipe.search.evaluations == 300


def test_another_recipe_is_refused_with_what_differs(folder: Path) -> None:
    start(folder)
    before = contents(folder)
    with pytest.raises(UsageError) as raised:
        start(folder, "supernet.epochs=40", "seed=3")
    first, second = str(raised.value).splitlines()
    assert first.startswith(f"{folder}: holds another run: supernet.epochs: 60 in the run, 40 in the recipe")
    assert "seed: 0 in the run, 3 in the recipe" in first
    assert "--out" in second
    assert contents(folder) == before


def test_many_differences_are_cut_short(folder: Path) -> None:
    start(folder)
    with pytest.raises(UsageError, match="; and 2 more"):
        start(folder, *(f"supernet.{key}=7" for key in ("epochs", "batch", "lr", "decay")), "seed=3")


def test_another_space_of_the_same_name_is_refused(folder: Path, tmp_path: Path) -> None:
    space_file = tmp_path / "mine.yaml"
    text = (
        "{family: chain, block: react, image: [1, 8, 8], classes: 10, stem: {channels: [8, 16]}, "
        "stages: [{channels: [16, 32]}]}"
    )
    space_file.write_text(text)
    start(folder, f"space={space_file}")
    space_file.write_text(text.replace("32", "64"))
    with pytest.raises(UsageError) as raised:
        start(folder, f"space={space_file}")
    assert "space stages.1.channels: [16, 32] in the run, [16, 64] in the recipe" in str(raised.value)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere: is no run: it has no recipe\.yaml"):
        Run.open(tmp_path / "nowhere")


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds thesis\.tex and no run; choose an empty folder with --out"):
        start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file: cannot be made: File exists"):
        start(tmp_path / "file")


def test_an_absent_device_is_refused_before_anything_is_written(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    asked = load("digits", ["engine.device=cuda"])
    with pytest.raises(UsageError, match=r"engine.device: cuda is asked for, but torch sees none"):
        Run.create(asked, fitted_space(asked), folder)
    assert not folder.exists()


@pytest.mark.parametrize(("asked", "used"), [("auto", "float32"), ("bfloat16", "bfloat16")])
def test_a_processor_trains_in_float32_unless_asked(folder: Path, asked: str, used: str) -> None:
    recipe = load("digits", [f"engine.precision={asked}", "engine.device=cpu"])
    assert Run.create(recipe, fitted_space(recipe), folder).compute.precision == used


def test_a_gpu_trains_in_bfloat16_and_is_needed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = load("digits", ["engine.device=auto"])
    monkeypatch.setattr("evo_bnas.run.environment.sees_cuda", lambda: True)
    compute = Run.create(asked, fitted_space(asked), folder).compute
    assert (compute.device, compute.precision, compute.backend) == ("cuda", "bfloat16", "torch")
    monkeypatch.setattr("evo_bnas.run.environment.sees_cuda", lambda: False)
    with pytest.raises(UsageError, match="the run was begun on a GPU, but torch sees none"):
        Run.create(asked, fitted_space(asked), folder)
    assert Run.open(folder).compute == compute


@pytest.mark.parametrize("name", ["recipe.yaml", "space.yaml", "environment.json"])
def test_a_broken_file_is_named(folder: Path, name: str) -> None:
    start(folder)
    (folder / name).write_text("{broken: ")
    with pytest.raises(UsageError) as raised:
        Run.open(folder)
    assert str(raised.value).startswith(f"{folder / name}: is not valid YAML")


def test_a_space_that_was_edited_is_named(folder: Path) -> None:
    run = start(folder)
    run.space_file.write_text(run.space_file.read_text().replace("128", "160"))
    with pytest.raises(UsageError) as raised:
        Run.open(folder)
    assert str(raised.value).startswith(f"{run.space_file}: was changed: the run was made with the space")


def test_paths_are_in_the_folder(folder: Path) -> None:
    run = start(folder)
    for path in (run.supernet_file, run.checkpoint, run.journal_file, run.front_csv, run.front_png):
        assert path.parent == folder
    assert run.pick_folder("first") == folder / "picks" / "first"


@contextmanager
def other_process(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A real process that runs a program; killed at the end, as by `kill -9`."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


HOLD = """
import sys
from pathlib import Path
from evo_bnas.run import Run
with Run.open(Path(sys.argv[1])).lock():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_refused_and_a_reader_is_not(folder: Path) -> None:
    run = start(folder)
    with other_process(HOLD, folder) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        sentence = f"{folder}: another process is writing here"
        with pytest.raises(UsageError, match=sentence), run.lock():
            pass
        with pytest.raises(UsageError, match=sentence):
            start(folder)
        assert Run.open(folder).recipe == run.recipe
    # The lock went with its process.
    with run.lock():
        pass


def test_a_lock_is_given_back_after_a_failure(folder: Path) -> None:
    run = start(folder)
    with pytest.raises(RuntimeError), run.lock():
        raise RuntimeError
    with run.lock():
        pass


BEGIN = """
import os, signal, sys
from pathlib import Path
from evo_bnas import durable
from evo_bnas.recipe import load
from evo_bnas.run.start import fitted_space
from evo_bnas.run import Run

left = int(sys.argv[2])

def counted(function):
    def call(*arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call

os.replace, os.fsync = counted(os.replace), counted(os.fsync)
Path.write_bytes = counted(Path.write_bytes)
recipe = load("digits", ["engine.device=cpu", *sys.argv[3:]])
Run.create(recipe, fitted_space(recipe), Path(sys.argv[1]))
"""


def begin(folder: Path, steps: int, *overrides: str) -> int:
    """Start a run in a process that is killed before it touches the disk once more."""
    command = [sys.executable, "-c", BEGIN, str(folder), str(steps), *overrides]
    return subprocess.run(command, check=False, timeout=60).returncode


@pytest.mark.slow
def test_killed_at_every_step_of_the_beginning(tmp_path: Path) -> None:
    undisturbed = contents(start(tmp_path / "undisturbed").folder)
    folder = tmp_path / "killed"
    steps = 0
    while begin(folder, steps) == -signal.SIGKILL:
        if (folder / "recipe.yaml").exists():
            Run.open(folder)
        steps += 1
    assert steps > 9  # three files, each written, synced, renamed and its folder synced
    assert contents(folder) == undisturbed


@pytest.mark.slow
def test_killed_while_a_recipe_grows(folder: Path) -> None:
    run = start(folder)
    steps = 0
    while begin(folder, steps, "search.evaluations=300") == -signal.SIGKILL:
        assert Run.open(folder).recipe.search.evaluations in (200, 300)
        steps += 1
    assert steps > 2
    assert Run.open(folder).recipe.search.evaluations == 300
    assert Run.open(folder).environment == run.environment


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write_bytes(path, b"old")

    def fail(temporary: Path) -> None:
        temporary.write_bytes(b"half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        atomic.replace(path, fail)
    assert path.read_bytes() == b"old"
    atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]
