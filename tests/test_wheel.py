"""The wheel holds the library, its spaces, tables and recipes, and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
TREE = ("evo_bnas", "spaces", "tables", "runs", "pyproject.toml", "README.md", "LICENSE", ".gitignore")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree that also holds the results of a run."""
    tree = tmp_path_factory.mktemp("tree")
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("out", "__pycache__"))
        else:
            shutil.copy(source, tree)
    result = tree / "runs" / "out" / "digits" / "supernet.safetensors"
    result.parent.mkdir(parents=True)
    result.write_bytes(b"results of the user")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "built"]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=120)
    (built,) = (tree / "built").glob("*.whl")
    return built


def test_the_wheel_holds_the_library_and_its_shipped_files(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    shipped = [
        path.relative_to(ROOT)
        for folder in ("spaces", "tables", "runs")
        for path in (ROOT / folder).glob("*.*")
    ]
    assert {f"evo_bnas/{path.as_posix()}" for path in shipped} <= names
    assert "evo_bnas/py.typed" in names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"evo_bnas"}
    assert not [name for name in names if "/out/" in name]
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_spaces_and_recipes_are_found_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    ZipFile(wheel).extractall(tmp_path)
    program = (
        "import evo_bnas.space.catalogue as spaces, evo_bnas.recipe as recipes\n"
        "print(spaces.__file__)\n"
        "print(spaces.load('elastic-8').count().number, recipes.load('digits').space)"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    place, found = answer.stdout.splitlines()
    assert place.startswith(str(tmp_path))
    assert found == "1905120 elastic-8"
