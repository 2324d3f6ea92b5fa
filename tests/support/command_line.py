"""Runs `evo-bnas` in a process of its own."""

import subprocess
import sys


def run_command(*words: object) -> subprocess.CompletedProcess[str]:
    """The finished process with its output."""
    command = [sys.executable, "-m", "evo_bnas", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
