"""The promise of resume: after kill -9 at any moment, the same command gives the same files."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import overrides
from tests.support.run_driver import MOMENTS
from tests.support.short_runs import SHORT

pytestmark = pytest.mark.slow

# Small, but with every part of a run: two stages of training, two rounds of search, two rungs, two stages of
# retraining.
SMALL = (
    *SHORT,
    "space=tiny-8",
    "supernet.real_epochs=1",
    "supernet.teacher=in-place",
    "search.evaluations=7",
    "search.batch=4",
    "search.population=4",
    "confirm.networks=6",
    "confirm.epochs=[1, 2]",
    "pick.limits={}",
    "retrain.real_epochs=1",
    "retrain.seeds=2",
)
ARGUMENTS = ["run", "digits", *overrides(*SMALL)]
TIMELESS = ("proposed", "scored", "key", "origin", "seen", "predicted", "status", "objectives", "weights",
            "protocol", "correct")  # fmt: skip


def evo_bnas(folder: Path) -> None:
    command = [sys.executable, "-m", "evo_bnas", *ARGUMENTS, "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def results(folder: Path) -> dict[str, object]:
    """Bytes of all weights, cards and test errors, and the rows of every journal without their times."""
    files = [folder / "supernet.safetensors", *folder.glob("picks/*/[cn]*.*"), folder / "trained.csv"]
    journals = list(folder.rglob("*.jsonl"))
    assert (len(files), len(journals)) == (4, 3)
    rows = {journal: map(json.loads, journal.read_text().splitlines()) for journal in journals}
    timeless = {
        journal: [{column: line[column] for column in TIMELESS if column in line} for line in lines]
        for journal, lines in rows.items()
    }
    found = {file: file.read_bytes() for file in files} | timeless
    return {str(file.relative_to(folder)): content for file, content in found.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    evo_bnas(folder)
    return results(folder)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_and_resumed_run_equals_an_undisturbed_one(
    moment: str, undisturbed: dict[str, object], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "tests.support.run_driver", moment, *ARGUMENTS, "--out", str(folder)]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    evo_bnas(folder)
    assert results(folder) == undisturbed


def test_a_run_can_be_killed_and_resumed_several_times(
    undisturbed: dict[str, object], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for moment in (
        "inside_a_checkpoint_write",
        "in_calibration",
        "in_a_training_to_confirm",
        "in_retraining",
    ):
        command = [sys.executable, "-m", "tests.support.run_driver", moment, *ARGUMENTS, "--out", str(folder)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    evo_bnas(folder)
    assert results(folder) == undisturbed
