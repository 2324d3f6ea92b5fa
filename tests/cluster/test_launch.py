"""Launching on clusters: the shipped files are valid, and a job on a real head does a whole run."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from zipfile import ZipFile

import pytest
import typer
import yaml

from evo_bnas.cli import app

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray._private.ray_constants import get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import create_package
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.runtime_env import RuntimeEnv
from ray.scripts import scripts, symmetric_run

from tests.support.commands import overrides
from tests.support.ray_cluster import STORE
from tests.support.short_runs import SHORT

ROOT = Path(__file__).parents[2]
FILES = ROOT / "runs" / "ray"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMMANDS = {"ray": scripts.cli, "evo-bnas": typer.main.get_command(app)}

# A whole run, as small as possible.
TINY = (
    *SHORT,
    "space=tiny-8",
    "search.evaluations=4",
    "search.population=4",
    "confirm.networks=3",
    "confirm.epochs=[1]",
    "evaluate.backend=torch",
)


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FILES / name).read_text(encoding="utf-8"))
    return content


def parse(words: list[str]) -> list[str]:
    """Parse a command line; returns that of the program that it starts. Fails if it is invalid."""
    command: Any = COMMANDS[words[0]]
    rest = words[1:]
    while hasattr(command, "commands"):
        assert rest[0] in command.commands, words
        command = command.commands[rest.pop(0)]
    params = command.make_context(" ".join(words[:2]), rest).params
    return list(params.get("entrypoint") or ())


def zipped(folder: Path, target: Path) -> set[str]:
    """The files that `ray job submit --working-dir` would upload."""
    excludes = [*get_runtime_env_default_excludes(), *load("env.yaml")["excludes"]]
    create_package(str(folder), target, include_gitignore=True, excludes=excludes)
    with ZipFile(target) as package:
        return set(package.namelist())


@pytest.mark.parametrize("name", ["local.yaml", "aws.yaml"])
def test_a_cluster_file_is_valid(name: str) -> None:
    prepared = prepare_config(load(name))
    validate_config(prepared)
    workers = [kind for kind in prepared["available_node_types"].values() if kind["max_workers"]]
    assert workers
    assert all(kind["min_workers"] <= kind["max_workers"] <= prepared["max_workers"] for kind in workers)
    commands = [line for part, lines in prepared.items() if part.endswith("_commands") for line in lines]
    subprocess.run(["bash", "-n"], input="\n".join(commands), text=True, check=True)


@pytest.mark.parametrize("name", ["local.yaml", "aws.yaml"])
def test_a_cluster_gets_exactly_the_files_that_an_installation_needs(name: str) -> None:
    mounts = load(name)["file_mounts"]
    token = mounts.pop("~/.ray/auth_token")
    assert token == "~/.ray/auth_token"
    assert mounts == {f"~/evo-bnas/{path}": path for path in mounts.values()}
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *(Path(path).parts[0] for path in wheel["force-include"])}
    files = {"pyproject.toml", "constraints.txt", PROJECT["project"]["readme"]}
    assert set(mounts.values()) == {*needed, *files, *PROJECT["project"]["license-files"]}


def test_the_environment_of_a_job_is_valid() -> None:
    environment = RuntimeEnv(**load("env.yaml"))
    assert environment["env_vars"] == {"OMP_WAIT_POLICY": "PASSIVE", "RAY_USAGE_STATS_ENABLED": "0"}


def test_the_wheel_includes_all_files_for_ray() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for file in FILES.iterdir():
        assert included[f"runs/ray/{file.name}"] == f"evo_bnas/runs/ray/{file.name}"


def test_code_and_recipes_are_uploaded_but_not_data_and_results(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    uploaded = ["evo_bnas/data/dataset.py", "spaces/tiny-8.yaml", "runs/digits.yaml", "runs/ray/env.yaml"]
    ignored = [
        ".git/config",
        ".venv/bin/python",
        ".mypy_cache/cache.db",
        "data/cifar10/train.bin",
        "docs/front.png",
        "evo_bnas/__pycache__/cli.pyc",
        "runs/out/digits/journal.jsonl",
        "teacher.safetensors",
        "tests/test_cli.py",
    ]
    for name in [*uploaded, *ignored]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("something")
    for name in (".gitignore", ".rayignore"):
        shutil.copy(ROOT / name, tree)
    assert zipped(tree, tmp_path / "package.zip") == set(uploaded)


def test_the_upload_is_small_and_complete(tmp_path: Path) -> None:
    names = zipped(ROOT, tmp_path / "package.zip")
    assert (tmp_path / "package.zip").stat().st_size < 2_000_000
    shipped = [path.relative_to(ROOT).as_posix() for path in (ROOT / "evo_bnas").rglob("*.py")]
    assert {*shipped, "runs/cifar10.yaml", "spaces/elastic-8.yaml", "tables/tiny-8.csv"} <= names


def test_the_slurm_script_starts_ray_with_valid_options(tmp_path: Path) -> None:
    script = FILES / "slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    programs = {
        "scontrol": "printf 'node7\\nnode8\\n'",
        "ray": "",
        "srun": f"printf '%s\\n' \"$@\" >> {tmp_path}/calls; echo >> {tmp_path}/calls",
    }
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    arguments = ["run", "runs/cifar10.yaml", "--out", "/shared/a folder", "--workers", "8"]
    slurm = {
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_NODELIST": "node[7-8]",
        "SLURM_JOB_ID": "123456",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "4",
    }
    subprocess.run(["bash", script, *arguments], env=os.environ | slurm, check=True)
    started, removed = [
        call.split("\n") for call in (tmp_path / "calls").read_text().strip("\n").split("\n\n")
    ]
    assert started[:3] == ["--cpus-per-task=4", "ray", "symmetric-run"]
    split = started.index("--")
    options = started[3:split]
    assert parse(started[split + 1 :]) == []
    assert started[split + 1 :] == ["evo-bnas", *arguments]
    assert symmetric_run.symmetric_run.make_context("", options, resilient_parsing=True).params == {
        "address": "node7:23456",
        "min_nodes": 2,
        "ray_args_and_entrypoint": ("--num-cpus=4", "--temp-dir=/tmp/ray-123456"),
    }
    parse(["ray", "start", *symmetric_run.curate_and_validate_ray_start_args(options)])
    assert removed == ["rm", "-rf", "/tmp/ray-123456"]


def test_the_documented_commands_are_valid() -> None:
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    for file in re.findall(r"\]\((\.\./[^)]+)\)", text):
        assert (ROOT / "docs" / file).exists(), file
    blocks = "".join(re.findall(r"```\n(.*?)```", text, re.DOTALL))
    lines = [shlex.split(line) for line in blocks.splitlines()]
    jobs = [parse(words) for words in lines if words[0] in COMMANDS]
    batches = [["evo-bnas", *words[3:]] for words in lines if words[0] == "sbatch"]
    drivers = [words for words in [*jobs, *batches] if words]
    assert len(drivers) == 3
    for words in drivers:
        parse(words)
        assert (ROOT / words[2]).is_file()
        assert Path(words[words.index("--out") + 1]).is_absolute()


@pytest.fixture
def head() -> Iterator[dict[str, str]]:
    """Starts a head with a dashboard; yields the environment for commands. It leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short, since paths of sockets are limited
    token = folder / "token"
    token.write_text("0123456789abcdef" * 4)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
    }
    options = {
        "num-cpus": 2,
        "object-store-memory": STORE,
        "port": 0,
        "dashboard-port": port,
        "dashboard-agent-listen-port": 0,
        "temp-dir": folder,
    }
    words = ["ray", "start", "--head", "--block", *(f"--{key}={value}" for key, value in options.items())]
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            words, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        while not answers(port):
            assert process.poll() is None, (folder / "output").read_text()
            sleep(0.2)
        yield environment
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        remaining = started_with(token)
        shutil.rmtree(folder)
    assert not remaining


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def started_with(token: Path) -> list[str]:
    """The processes with this token in their environment; waits a while for them to end."""
    deadline = monotonic() + 10
    while True:
        running = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str(token).encode() in (process / "environ").read_bytes():
                    running.append((process / "cmdline").read_text())
        if not running or monotonic() > deadline:
            return running
        sleep(0.2)


@pytest.mark.slow
def test_a_job_on_a_real_head_does_a_whole_run(head: dict[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["evo-bnas", "run", "digits", "--out", str(run), "--workers", "2"]
    words += overrides(*TINY)
    submit = ["ray", "job", "submit", "--working-dir", ".", "--runtime-env", "runs/ray/env.yaml", "--"]
    job = subprocess.run([*submit, *words], cwd=ROOT, env=head, capture_output=True, text=True, check=False)
    assert job.returncode == 0, job.stdout + job.stderr

    scored = [line for line in (run / "journal.jsonl").read_text().splitlines() if '"scored"' in line]
    assert len(scored) == 4
    assert (run / "confirm" / "epochs-1.jsonl").read_text().count('"scored"') == 3
    assert (run / "front.csv").read_text().count("\n") > 1
    (card,) = run.glob("picks/*/card.json")
    assert json.loads(card.read_text())["key"] in (run / "front.csv").read_text()
    # The job ran the uploaded code, which is not in a repository.
    assert json.loads((run / "environment.json").read_text())["commit"] is None
