import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evo_bnas.archive.journal import Journal, read
from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import InProcess
from evo_bnas.evaluate.table import Table
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.progress import Progress
from evo_bnas.search import EXPLORERS
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.search.replay import replay
from evo_bnas.space.genes import Architecture
from tests.support.search_driver import drive
from tests.support.synthetic import ELASTIC, OBJECTIVES, POPULATION, TINY, Synthetic, run

PROBLEM = Problem(ELASTIC, OBJECTIVES)
REPOSITORY = Path(__file__).parents[2]


def without_seconds(content: bytes) -> list[dict[str, object]]:
    """The rows of a journal without times."""
    rows = [json.loads(line) for line in content.splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module", params=[1, 8])
def undisturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, bytes]:
    """A batch size, and the journal of an uninterrupted search."""
    path = tmp_path_factory.mktemp("undisturbed") / "journal.jsonl"
    drive(path, request.param)
    return request.param, path.read_bytes()


@pytest.mark.slow
def test_a_search_killed_many_times_writes_the_journal_of_an_undisturbed_one(
    undisturbed: tuple[int, bytes], tmp_path: Path
) -> None:
    batch, expected = undisturbed
    path = tmp_path / "journal.jsonl"
    command = [sys.executable, "-m", "tests.support.search_driver", str(path), str(batch)]
    # Within the first proposals; between proposed and scored; within a score; before and after the sync of a
    # later group; within proposals that follow scores.
    for append, share in ((1, 0.4), (1, 1.0), (2, 0.5), (5, 0.0), (8, 1.0), (2, 0.7)):
        killed = subprocess.run([*command, str(append), str(share)], cwd=REPOSITORY, check=False)
        assert killed.returncode == -signal.SIGKILL
        left = path.read_bytes()
        assert (
            without_seconds(left[: left.rfind(b"\n") + 1]) == without_seconds(expected)[: left.count(b"\n")]
        )
    subprocess.run(command, cwd=REPOSITORY, check=True)
    assert without_seconds(path.read_bytes()) == without_seconds(expected)


@given(cut=st.floats(0, 1))
@settings(max_examples=25)
def test_a_search_resumed_from_any_prefix_of_its_journal_writes_the_same_journal(
    undisturbed: tuple[int, bytes], tmp_path_factory: pytest.TempPathFactory, cut: float
) -> None:
    batch, expected = undisturbed
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    path.write_bytes(expected[: int(cut * len(expected))])
    drive(path, batch)
    assert without_seconds(path.read_bytes()) == without_seconds(expected)


def test_proposals_are_on_disk_before_they_are_evaluated_and_scores_before_the_next_proposals(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.jsonl"
    evaluated: list[str] = []

    def evaluator(architectures: Sequence[Architecture]) -> list[Score]:
        on_disk = read(path, ELASTIC)
        assert on_disk.pending[0].architecture == architectures[0]
        assert len(on_disk.scores) == len(evaluated)
        evaluated.append(architectures[0].key)
        return Synthetic(ELASTIC)(architectures)

    with Journal(path, ELASTIC) as journal:
        search(
            PROBLEM,
            EXPLORERS["random"](PROBLEM, POPULATION),
            InProcess(evaluator),
            journal,
            evaluations=12,
            batch=5,
            seed=0,
        )
    assert all(score.status == "ok" for score in read(path, ELASTIC).scores.values())
    assert [proposal.seen for proposal in read(path, ELASTIC).proposals] == [0] * 5 + [5] * 5 + [10] * 2
    assert len(set(evaluated)) == 12


def test_an_interrupt_loses_no_score_and_is_raised(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    count = 0

    def evaluator(architectures: Sequence[Architecture]) -> list[Score]:
        nonlocal count
        count += 1
        if count == 11:
            raise KeyboardInterrupt
        return Synthetic(ELASTIC)(architectures)

    explorer = EXPLORERS["nsga2"](PROBLEM, POPULATION)
    with pytest.raises(KeyboardInterrupt), Journal(path, ELASTIC) as journal:
        search(PROBLEM, explorer, InProcess(evaluator), journal, evaluations=30, batch=8, seed=0)
    assert len(read(path, ELASTIC).scores) == 10
    run(path, PROBLEM, evaluations=30)
    run(tmp_path / "straight.jsonl", PROBLEM, evaluations=30)
    assert path.read_bytes() == (tmp_path / "straight.jsonl").read_bytes()


def pressing_ctrl_c(presses: int) -> InProcess:
    """An engine in whose third evaluation Ctrl-C is pressed."""
    count = 0

    def evaluator(architectures: Sequence[Architecture]) -> list[Score]:
        nonlocal count
        count += 1
        for _ in range(presses if count == 3 else 0):
            # Sent by kill, two signals may arrive as one before the first is handled.
            signal.raise_signal(signal.SIGINT)
        return Synthetic(ELASTIC)(architectures)

    return InProcess(evaluator)


@pytest.fixture
def ctrl_c_enabled() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, which a shell disables for background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_enabled")
@pytest.mark.parametrize(("presses", "scored"), [(1, 8), (2, 2)])
def test_the_first_ctrl_c_finishes_what_is_in_flight_and_the_second_does_not(
    tmp_path: Path, presses: int, scored: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.jsonl"
    explorer = EXPLORERS["nsga2"](PROBLEM, POPULATION)
    engine = pressing_ctrl_c(presses)
    with pytest.raises(KeyboardInterrupt), Journal(path, ELASTIC) as journal:
        search(PROBLEM, explorer, engine, journal, evaluations=30, batch=8, seed=0)
    assert len(read(path, ELASTIC).scores) == scored
    assert len(read(path, ELASTIC).proposals) == 8
    assert len(caplog.records) == (presses == 1)
    assert all("5 in flight" in record.message for record in caplog.records)
    run(path, PROBLEM, evaluations=30)
    run(tmp_path / "straight.jsonl", PROBLEM, evaluations=30)
    assert path.read_bytes() == (tmp_path / "straight.jsonl").read_bytes()


class Flaky:
    """Every fifth network fails at its first attempt."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        (architecture,) = architectures
        self.calls.append(architecture.key)
        if len(set(self.calls)) % 5 == 0 and self.calls.count(architecture.key) == 1:
            raise RuntimeError("lost a worker")
        return Synthetic(ELASTIC)(architectures)


def test_a_failed_evaluation_is_retried_and_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    told: list[Progress] = []
    go(path, Flaky(), evaluations=20, report=told.append)
    archive = read(path, ELASTIC)
    assert len(archive.scored) == 20
    assert sum(attempts == 2 for attempts in archive.attempts.values()) == 4
    assert told[-1].done == 20
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["attempt"] for row in rows if row.get("scored") == 4] == [1, 2]


def test_failures_are_not_retried_beyond_max_attempts(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    go(path, Flaky(), evaluations=20, max_attempts=1)
    assert len(read(path, ELASTIC).scored) == 16
    go(path, Flaky(), evaluations=20, max_attempts=2)
    assert len(read(path, ELASTIC).scored) == 20, "an attempt that was left was not made"


def test_a_short_search_also_says_that_all_evaluations_failed(tmp_path: Path) -> None:
    def broken(_: Sequence[Architecture]) -> list[Score]:
        raise RuntimeError("no such device")

    with pytest.raises(UsageError, match="first 6 evaluations"):
        go(tmp_path / "journal.jsonl", broken, evaluations=3)


def test_a_finished_search_can_be_continued_with_more_evaluations(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    run(path, PROBLEM, evaluations=10)
    before = path.read_bytes()
    run(path, PROBLEM, evaluations=10)
    assert path.read_bytes() == before
    assert len(run(path, PROBLEM, evaluations=25).scores) == 25
    assert path.read_bytes().startswith(before)


class Scattered:
    """An engine that keeps four evaluations in flight and returns any of them."""

    capacity = 4

    def __init__(self, fail_one_in: int = 0) -> None:
        self.waiting: list[tuple[int, Architecture]] = []
        self.most = 0
        self.evaluator = Synthetic(ELASTIC, fail_one_in)
        self.rng = np.random.default_rng(5)

    def submit(self, id: int, architecture: Architecture) -> None:
        self.waiting.append((id, architecture))
        self.most = max(self.most, len(self.waiting))

    def poll(self) -> list[tuple[int, Score]]:
        if self.rng.random() < 0.2:
            return []
        id, architecture = self.waiting.pop(self.rng.integers(len(self.waiting)))
        try:
            return [(id, self.evaluator.score(architecture))]
        except RuntimeError as failure:
            return [(id, Score.failed(str(failure)))]


def scattered(path: Path, explorer: str, **budget: int) -> Scattered:
    engine = Scattered(fail_one_in=9)
    with Journal(path, ELASTIC) as journal:
        chosen = EXPLORERS[explorer](PROBLEM, POPULATION)
        search(PROBLEM, chosen, engine, journal, **({"evaluations": 60, "batch": 8, "seed": 3} | budget))
    return engine


def test_an_asynchronous_engine_is_kept_busy_and_nothing_is_scored_twice(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    engine = scattered(path, "nsga2")
    archive = read(path, ELASTIC)
    assert engine.most == 4
    assert sorted(archive.scores) == list(range(60))
    assert len(archive.architectures) == 60
    arrived = list(archive.scores)
    assert arrived != sorted(arrived)


@pytest.mark.parametrize("name", ["nsga2", "bins", "aging", "random"])
def test_an_asynchronous_search_is_replayed_from_its_journal(tmp_path: Path, name: str) -> None:
    path = tmp_path / "journal.jsonl"
    scattered(path, name, evaluations=30)
    scattered(path, name)
    explorer = EXPLORERS[name](PROBLEM, POPULATION)
    assert replay(explorer, path, ELASTIC, seed=3) == 60
    with pytest.raises(ValueError, match=r"proposal \d+ "):
        replay(explorer, path, ELASTIC, seed=4)


def go(path: Path, evaluator: object, **budget: object) -> str:
    with Journal(path, ELASTIC) as journal:
        return search(
            PROBLEM,
            EXPLORERS["random"](PROBLEM, POPULATION),
            InProcess(evaluator),  # type: ignore[arg-type]
            journal,
            **({"evaluations": 40, "batch": 4, "seed": 0} | budget),  # type: ignore[arg-type]
        )


def test_a_budget_of_seconds_includes_earlier_evaluations(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert "7 s" in go(path, Synthetic(ELASTIC), seconds=7)
    assert len(read(path, ELASTIC).scores) == 16  # half a second each, whole batches
    go(path, Synthetic(ELASTIC), seconds=7)
    assert len(read(path, ELASTIC).scores) == 16
    go(path, Synthetic(ELASTIC), seconds=9)
    assert len(read(path, ELASTIC).scores) == 20


def test_a_search_without_progress_ends_after_its_patience(tmp_path: Path) -> None:
    def flat(architectures: Sequence[Architecture]) -> list[Score]:
        return [Score("ok", {"error": 0.5, **exact_objectives(ELASTIC.cost(a))}) for a in architectures]

    ended = go(tmp_path / "journal.jsonl", flat, patience=12)
    assert "12 evaluations" in ended
    assert "0.1 %" in ended
    assert len(read(tmp_path / "journal.jsonl", ELASTIC).scores) == 16


def test_an_exhausted_space_ends_the_search(tmp_path: Path) -> None:
    problem = Problem(TINY, OBJECTIVES)
    table = {a.key: {"error": 0.1, **exact_objectives(TINY.cost(a))} for a in TINY.enumerate()}
    with Journal(tmp_path / "journal.jsonl", TINY) as journal:
        ended = search(
            problem,
            EXPLORERS["nsga2"](problem, POPULATION),
            InProcess(Table(table)),
            journal,
            evaluations=100,
            batch=4,
            seed=0,
        )
        assert "Every network" in ended
        assert {network.key for network in journal.archive.architectures} == set(table)


def test_if_the_first_evaluations_all_fail_the_search_ends_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"

    def broken(_: Sequence[Architecture]) -> list[Score]:
        raise RuntimeError("no such device")

    with pytest.raises(UsageError, match=r"first 8 evaluations .* RuntimeError: no such device"):
        go(path, broken)
    assert read(path, ELASTIC).attempts == dict.fromkeys(range(4), 2)
    go(path, Synthetic(ELASTIC))
    assert len(read(path, ELASTIC).scored) == 36


def test_the_evaluation_of_a_network_missing_in_a_table_fails() -> None:
    engine = InProcess(Table({}))
    engine.submit(3, TINY.smallest())
    ((id, score),) = engine.poll()
    assert (id, score.status) == (3, "failed")
    assert "KeyError" in score.reason
    assert engine.poll() == []


def test_progress_reports_evaluations_hypervolume_and_lowest_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Progress] = []
    go(tmp_path / "journal.jsonl", Synthetic(ELASTIC), report=told.append)
    assert [(progress.done, progress.total) for progress in told] == [(i, 40) for i in range(1, 41)]
    assert told[-1].figures.startswith("hypervolume 0.")
    assert "lowest error" in told[-1].figures
    assert capsys.readouterr().out == ""


def test_a_search_imports_no_torch() -> None:
    script = "import sys, tests.support.synthetic, evo_bnas.search.nsga2; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    assert done.stdout == "False\n"


def test_listing_explorers_imports_no_pymoo() -> None:
    script = "import sys, evo_bnas.search; print('pymoo' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    assert done.stdout == "False False\n"
