"""The whole job: its stages, what they return, and how often they read the journal."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from evo_bnas.archive.pick import Pick
from evo_bnas.run.folder import Run
from evo_bnas.run.outcomes import Confirmed, RetrainedNetworks, SearchOutcome, TrainedSupernet
from evo_bnas.run.pipeline import run_all
from evo_bnas.run.results import Results
from evo_bnas.run.start import start
from tests.support.short_runs import SHORT

pytestmark = pytest.mark.slow

SMALL = (
    *SHORT,
    "search.evaluations=6",
    "search.population=4",
    "confirm.networks=5",
    "confirm.epochs=[1]",
    "pick.limits={}",
    "retrain.networks=2",
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
    supernet, outcome, confirmed, picked, retrained = stages
    assert isinstance(supernet, TrainedSupernet)
    assert isinstance(outcome, SearchOutcome)
    assert isinstance(confirmed, Confirmed)
    assert isinstance(picked, Pick)
    assert isinstance(retrained, RetrainedNetworks)
    assert not supernet.existed
    assert len(outcome.results.frame) == 6
    assert confirmed.results.frame["confirmed_1"].notna().sum() == 5
    assert picked == confirmed.results.pick()
    assert [card.key for card in retrained.cards] == confirmed.results.to_retrain()
    assert retrained.cards[0].key == picked.key


def test_the_tables_hold_what_was_confirmed_and_trained(stages: list[object], folder: Path) -> None:
    front = pd.read_csv(folder / "front.csv")
    assert {"expected", "deviation", "confirmed_1"} <= set(front.columns)
    trained = pd.read_csv(folder / "trained.csv")
    assert sorted(trained["key"]) == sorted(path.name for path in (folder / "picks").iterdir())


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
