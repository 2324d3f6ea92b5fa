"""What commands import: help is fast, and a front is read without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import overrides, printed
from tests.support.short_runs import SHORT


def modules_after(program: str) -> set[str]:
    """Heavy packages that are loaded after a program."""
    heavy = {"torch", "pandas", "numpy", "pymoo", "matplotlib", "scipy", "sklearn", "ray", "numba"}
    check = f"import sys\n{program}\nprint(*({heavy} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_no_heavy_package() -> None:
    assert modules_after("from evo_bnas.cli import app\napp(['--help'], standalone_mode=False)") == set()


@pytest.mark.parametrize("command", ["run", "pick", "ranking", "check", "export"])
def test_the_help_of_a_command_imports_no_heavy_package(command: str) -> None:
    program = f"from evo_bnas.cli import app\napp(['{command}', '--help'], standalone_mode=False)"
    assert modules_after(program) == set()


@pytest.mark.slow
def test_a_front_is_read_without_torch(tmp_path: Path) -> None:
    small = (*SHORT, "search.evaluations=4", "search.explorer=random")
    folder = tmp_path / "run"
    printed("train", "digits", "--out", folder, *overrides(*small))
    printed("search", folder)
    loaded = modules_after(
        f"from evo_bnas.cli import app\napp(['front', {str(folder)!r}], standalone_mode=False)"
    )
    assert not loaded & {"torch", "numba", "ray"}
