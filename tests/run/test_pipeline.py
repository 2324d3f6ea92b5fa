"""The whole job: its stages, what they return, and how often they read the journal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evo_bnas.archive.pick import Pick
from evo_bnas.run.folder import Run
from evo_bnas.run.outcomes import RetrainedNetworks, SearchOutcome, TrainedSupernet
from evo_bnas.run.pipeline import run_all
from evo_bnas.run.results import Results
from evo_bnas.run.start import start

pytestmark = pytest.mark.slow

SMALL = (
    "supernet.epochs=1",
    "supernet.batch=256",
    "search.evaluations=6",
    "search.population=4",
    "pick.limits={}",
    "retrain.epochs=1",
    "retrain.batch=256",
    "retrain.networks=2",
    "engine.threads=1",
    "engine.device=cpu",
)

COUNT = """
import sys
from pathlib import Path
opened = 0
def count(event, arguments):
    global opened
    if event == "open" and str(arguments[0]).endswith("journal.jsonl") and "a" not in (arguments[1] or ""):
        opened += 1
sys.addaudithook(count)
from evo_bnas.run.folder import Run
from evo_bnas.run.pipeline import run_all
run_all(Run.open(Path(sys.argv[1])))
print(opened)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipeline") / "run"


@pytest.fixture(scope="module")
def stages(folder: Path) -> list[object]:
    shown: list[object] = []
    run_all(start("digits", folder, SMALL), show=shown.append)
    return shown


def test_every_stage_is_shown_once_and_in_order(stages: list[object]) -> None:
    assert [type(result) for result in stages] == [TrainedSupernet, SearchOutcome, Pick, RetrainedNetworks]
    supernet, outcome, picked, retrained = stages
    assert isinstance(supernet, TrainedSupernet)
    assert isinstance(outcome, SearchOutcome)
    assert isinstance(picked, Pick)
    assert isinstance(retrained, RetrainedNetworks)
    assert not supernet.existed
    assert len(outcome.results.frame) == 6
    assert [card.key for card in retrained.cards] == list(picked.order[:2])


def test_a_card_holds_the_error_of_the_search(stages: list[object], folder: Path) -> None:
    errors = Results.of(Run.open(folder)).frame.set_index("key")["error"]
    for file in folder.glob("picks/*/card.json"):
        card = json.loads(file.read_text())
        assert card["supernet_search_error"] == errors[card["key"]]


def test_a_finished_run_reads_its_journal_at_most_twice(stages: list[object], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(folder)], capture_output=True, text=True, check=True
    )
    assert 1 <= int(done.stdout) <= 2
