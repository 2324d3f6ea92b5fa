"""The `evo-bnas` command: in this process, or in one of its own as a user runs it."""

import subprocess
import sys
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from evo_bnas.cli import app


def invoke(*words: object) -> Result:
    """Run the command in this process, whatever its exit code."""
    return CliRunner().invoke(app, [*map(str, words)])


def printed(*words: object) -> str:
    """What the command prints to stdout, run in this process; fails unless its exit code is 0."""
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def evo_bnas(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, whatever its exit code."""
    command = [sys.executable, "-m", "evo_bnas", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def overrides(*changes: str) -> list[str]:
    """Changes of a recipe as words of the command line."""
    return [word for change in changes for word in ("--set", change)]
