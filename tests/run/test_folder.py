"""The folder of a run: its files, its lock, and a kill while it is created."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evo_bnas.errors import UsageError
from evo_bnas.files import atomic
from evo_bnas.machine import cores
from evo_bnas.recipe import Recipe, load
from evo_bnas.run.folder import Run
from evo_bnas.run.start import fitted_space
from tests.support.refusals import refused

CPU = "engine.device=cpu"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "digits"


def recipe(*overrides: str) -> Recipe:
    return load("digits", [CPU, *overrides])


def start(folder: Path, *overrides: str) -> Run:
    wanted = recipe(*overrides)
    return Run.create(wanted, fitted_space(wanted), folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_run_writes_its_recipe_space_and_environment(folder: Path) -> None:
    run = start(folder)
    assert {"recipe.yaml", "space.yaml", "environment.json"} <= set(contents(folder))
    assert not [name for name in contents(folder) if name.endswith(".new")]
    assert load(run.recipe_file) == run.recipe == recipe()
    environment = json.loads(run.environment_file.read_text())
    compute = {"device": "cpu", "precision": "float32", "threads": 1, "worker_threads": 1}
    assert environment["compute"] == compute | {"backend": "packed"}
    assert environment["versions"].keys() >= {"python", "torch", "numpy"}
    assert environment["images"] == {"train": 1_079, "search": 359, "test": 359}
    assert run.compute.threads == 1


def test_threads_default_to_all_cores(folder: Path) -> None:
    assert start(folder, "engine.threads=null").compute.threads == cores()


def test_an_opened_run_equals_the_created_one(folder: Path) -> None:
    run, read = start(folder), Run.open(folder)
    assert read.recipe == run.recipe
    assert read.environment == run.environment
    assert read.space.hash == run.space.hash
    assert read.space.name == "elastic-8"


def test_creating_a_run_again_changes_no_file(folder: Path) -> None:
    start(folder)
    before = contents(folder)
    start(folder)
    assert contents(folder) == before


def test_a_resumed_run_keeps_its_environment(folder: Path) -> None:
    run = start(folder)
    changed = run.environment.model_copy(update={"commit": "another", "cpu": "another"})
    atomic.write_bytes(run.environment_file, changed.model_dump_json().encode())
    assert start(folder).environment == changed


def test_a_run_can_be_resumed_with_more_evaluations_and_another_pick(folder: Path) -> None:
    start(folder)
    start(folder, "search.evaluations=300", "pick.limits.ops=10k", "confirm.networks=9", "retrain.seeds=2")
    resumed = Run.open(folder).recipe
    assert resumed.search.evaluations == 300
    assert (resumed.pick.limits, resumed.confirm.networks, resumed.retrain.seeds) == ({"ops": 10_000}, 9, 2)


def test_a_different_recipe_is_refused_with_the_differences(folder: Path) -> None:
    start(folder)
    before = contents(folder)
    with pytest.raises(UsageError) as raised:
        start(folder, "supernet.epochs=40", "seed=3")
    first, second = str(raised.value).splitlines()
    assert first.startswith(f"{folder}: ")
    assert "supernet.epochs: 60 in the run, 40 in the recipe" in first
    assert "seed: 0 in the run, 3 in the recipe" in first
    assert "--out" in second
    assert contents(folder) == before


def test_only_the_first_differences_are_listed(folder: Path) -> None:
    start(folder)
    with pytest.raises(UsageError, match="2 more"):
        start(folder, *(f"supernet.{key}=7" for key in ("epochs", "batch", "lr", "weight_decay")), "seed=3")


def test_a_different_space_of_the_same_name_is_refused(folder: Path, tmp_path: Path) -> None:
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


def test_opening_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere: .*recipe\.yaml"):
        Run.open(tmp_path / "nowhere")


def test_a_folder_with_other_files_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.tex.*--out"):
        start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file: .*File exists"):
        start(tmp_path / "file")


def test_a_missing_gpu_is_refused_before_anything_is_written(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    wanted = load("digits", ["engine.device=cuda"])
    with pytest.raises(UsageError, match=r"engine\.device: .*cuda.*engine\.device: cpu"):
        Run.create(wanted, fitted_space(wanted), folder)
    assert not folder.exists()


@pytest.mark.parametrize(("setting", "used"), [("auto", "float32"), ("bfloat16", "bfloat16")])
def test_a_cpu_trains_in_float32_by_default(folder: Path, setting: str, used: str) -> None:
    assert start(folder, f"engine.precision={setting}").compute.precision == used


def test_a_run_on_a_gpu_trains_in_bfloat16_and_needs_a_gpu_to_resume(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = load("digits", ["engine.device=auto"])
    monkeypatch.setattr("evo_bnas.run.environment.sees_cuda", lambda: True)
    compute = Run.create(wanted, fitted_space(wanted), folder).compute
    assert (compute.device, compute.precision, compute.backend) == ("cuda", "bfloat16", "torch")
    monkeypatch.setattr("evo_bnas.run.environment.sees_cuda", lambda: False)
    with pytest.raises(UsageError, match="GPU"):
        Run.create(wanted, fitted_space(wanted), folder)
    assert Run.open(folder).compute == compute


@pytest.mark.parametrize("name", ["recipe.yaml", "space.yaml", "environment.json"])
def test_a_broken_file_is_reported_by_name(folder: Path, name: str) -> None:
    start(folder)
    (folder / name).write_text("{broken: ")
    with pytest.raises(UsageError) as raised:
        Run.open(folder)
    assert str(raised.value).startswith(f"{folder / name}: ")
    assert "YAML: line 1" in str(raised.value)


@pytest.mark.parametrize("number", [1, 2, 99])
def test_a_run_of_another_format_is_refused_with_the_version_that_wrote_it(folder: Path, number: int) -> None:
    run = start(folder)
    other = run.environment.model_dump(exclude={"format"})
    other["versions"]["evo-bnas"] = "0.1.0"
    if number > 1:  # the first format had no number
        other["format"] = number
    run.environment_file.write_text(json.dumps(other))
    before = contents(folder)
    for use in (lambda: Run.open(folder), lambda: start(folder)):
        with refused(UsageError, f"{folder}: ", "evo-bnas 0.1.0", f"format {number}", "--out"):
            use()
    assert contents(folder) == before


def test_an_edited_space_is_refused(folder: Path) -> None:
    run = start(folder)
    run.space_file.write_text(run.space_file.read_text().replace("128", "160"))
    with pytest.raises(UsageError) as raised:
        Run.open(folder)
    assert str(raised.value).startswith(f"{run.space_file}: ")
    assert run.environment.space in str(raised.value)


def test_all_files_of_a_run_are_in_its_folder(folder: Path) -> None:
    run = start(folder)
    for path in (run.supernet_file, run.checkpoint, run.journal_file, run.front_csv, run.trained_csv):
        assert path.parent == folder
    assert run.rung_file(3).is_relative_to(folder)
    assert run.rung_file(3) != run.rung_file(1)
    assert run.pick_folder("first") == folder / "picks" / "first"


@contextmanager
def other_process(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A real process that runs a program; killed at the end of the block."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


HOLD = """
import sys
from pathlib import Path
from evo_bnas.run.folder import Run
with Run.open(Path(sys.argv[1])).lock():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_refused_and_a_reader_is_not(folder: Path) -> None:
    run = start(folder)
    with other_process(HOLD, folder) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(UsageError, match=f"{folder}: .*--out"), run.lock():
            pass
        with pytest.raises(UsageError, match=f"{folder}: .*--out"):
            start(folder)
        assert Run.open(folder).recipe == run.recipe
    # The lock was released with its process.
    with run.lock():
        pass


def test_a_lock_is_released_after_a_failure(folder: Path) -> None:
    run = start(folder)
    with pytest.raises(RuntimeError), run.lock():
        raise RuntimeError
    with run.lock():
        pass


START = """
import os, signal, sys
from pathlib import Path
from evo_bnas.recipe import load
from evo_bnas.run.start import fitted_space
from tests.support.refusals import refused
from evo_bnas.run.folder import Run

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


def start_in_a_process(folder: Path, steps: int, *overrides: str) -> int:
    """Start a run in a process that is killed after `steps` file operations."""
    command = [sys.executable, "-c", START, str(folder), str(steps), *overrides]
    return subprocess.run(command, check=False, timeout=60).returncode


@pytest.mark.slow
def test_a_run_killed_at_any_step_of_its_creation_can_be_created_again(tmp_path: Path) -> None:
    undisturbed = contents(start(tmp_path / "undisturbed").folder)
    folder = tmp_path / "killed"
    steps = 0
    while start_in_a_process(folder, steps) == -signal.SIGKILL:
        if (folder / "recipe.yaml").exists():
            Run.open(folder)
        steps += 1
    assert steps > 9  # three files, each written, synced, renamed and its folder synced
    assert contents(folder) == undisturbed


@pytest.mark.slow
def test_a_run_killed_while_its_recipe_is_rewritten_has_the_old_or_the_new_one(folder: Path) -> None:
    run = start(folder)
    steps = 0
    while start_in_a_process(folder, steps, "search.evaluations=300") == -signal.SIGKILL:
        assert Run.open(folder).recipe.search.evaluations in (200, 300)
        steps += 1
    assert steps > 2
    assert Run.open(folder).recipe.search.evaluations == 300
    assert Run.open(folder).environment == run.environment
