"""A search on a real Ray cluster: the same results, each once, whatever is lost on the way."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from evo_bnas.archive.journal import read
from evo_bnas.archive.score import Score
from evo_bnas.cluster.engine import RayEngine
from evo_bnas.cluster.session import Session, connected
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import ClusterError, UsageError
from evo_bnas.search import EXPLORERS
from evo_bnas.search.problem import Problem
from evo_bnas.search.replay import replay
from tests.support.ray_cluster import STORE, cluster
from tests.support.ray_driver import OBJECTIVES, POPULATION, drive
from tests.support.ray_evaluators import FaultyTable
from tests.support.synthetic import separable_table

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
TABLE = separable_table()
NETWORKS = [TABLE.parse(key) for key in TABLE.scores]
KEYS = [network.key for network in NETWORKS]
TWO = EngineSettings(workers=2)
COLUMNS = ("id", "key", "origin", "seen", "predicted", "status", *OBJECTIVES)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    with cluster() as started:
        yield started


@pytest.fixture(scope="module")
def session(nodes: Any) -> Iterator[Session]:
    with connected(EngineSettings(workers=2, address=nodes.address)) as connection:
        yield connection


def faulty(folder: Path, faults: dict[int, str] | None = None) -> FaultyTable:
    return FaultyTable(TABLE.scores, folder, {KEYS[index]: fault for index, fault in (faults or {}).items()})


def scored(engine: RayEngine, count: int, meanwhile: Callable[[], object] = bool) -> dict[int, Score]:
    """The scores of the first networks; each must arrive once."""
    for id in range(count):
        engine.submit(id, NETWORKS[id])
    scores: dict[int, Score] = {}
    while len(scores) < count:
        for id, score in engine.poll():
            assert id not in scores
            scores[id] = score
        meanwhile()
    return scores


def failures(scores: dict[int, Score]) -> dict[int, str]:
    return {id: score.reason for id, score in scores.items() if score.status == "failed"}


def test_evaluations_that_raise_hang_or_kill_their_worker_fail_and_no_others(
    session: Session, tmp_path: Path
) -> None:
    evaluator = faulty(tmp_path, {1: "hang", 3: "raise", 5: "die"})
    with RayEngine(evaluator, session, EngineSettings(workers=2, deadline=1)) as engine:
        scores = scored(engine, 12)
    node = r"node [\d.]+ \(\w{8}\)"
    reasons = {
        1: rf"{KEYS[1]}: took longer than 1 s on {node}.*",
        3: rf"RuntimeError: out of memory \({KEYS[3]} on {node}\)",
        5: rf"{KEYS[5]}: the worker on {node} died \(ActorDiedError\)",
    }
    failed = failures(scores)
    assert failed.keys() == reasons.keys()
    assert all(re.fullmatch(reasons[id], reason) for id, reason in failed.items()), failed
    assert all(scores[id].objectives == TABLE.scores[KEYS[id]] for id in scores if id not in failed)
    assert len(evaluator.processes(KEYS[1])) == 2


def test_a_killed_worker_costs_no_evaluation(
    session: Session, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evaluator = faulty(tmp_path, {0: "wait"})

    def kill() -> None:
        started = evaluator.processes(KEYS[0])
        if len(started) == 1 and not (tmp_path / "go").exists():
            os.kill(started[0], signal.SIGKILL)
            (tmp_path / "go").touch()

    with caplog.at_level(logging.WARNING), RayEngine(evaluator, session, TWO) as engine:
        assert failures(scored(engine, 8, kill)) == {}
    assert len(evaluator.processes(KEYS[0])) == 2
    assert re.search(rf"{KEYS[0]}: the worker on node [\d.]+ \(\w+\) died \(\w+\); retrying", caplog.text)


def test_a_node_that_joins_is_used_and_one_that_is_lost_costs_no_evaluation(
    nodes: Any, session: Session, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evaluator = faulty(tmp_path, {0: "wait", 1: "wait", 2: "wait"})
    joined: list[Any] = []

    def join_then_leave() -> None:
        started = [id for id in range(3) if evaluator.processes(KEYS[id])]
        if not joined and len(started) == 2:
            joined.append(nodes.add_node(num_cpus=1, object_store_memory=STORE))
        elif len(started) == 3 and joined[0] is not None:
            nodes.remove_node(joined[0], allow_graceful=False)
            joined[0] = None
        elif joined == [None] and "retrying on another worker" in caplog.text:
            (tmp_path / "go").touch()

    with caplog.at_level(logging.WARNING), RayEngine(evaluator, session, EngineSettings(workers=3)) as engine:
        assert "room for 2 of 3 workers" in caplog.text
        assert failures(scored(engine, 8, join_then_leave)) == {}
    assert sorted(len(evaluator.processes(KEYS[id])) for id in range(3)) == [1, 1, 2]


def test_a_full_object_store_stops_nothing(session: Session, tmp_path: Path) -> None:
    filling = [ray.put(np.ones(STORE // 4, np.uint8)) for _ in range(5)]
    large = LargeEvaluator(faulty(tmp_path), np.ones(STORE // 4, np.uint8))
    with RayEngine(large, session, TWO) as engine:
        assert failures(scored(engine, 8)) == {}
    del filling


class LargeEvaluator:
    """An evaluator with large weights."""

    def __init__(self, evaluator: FaultyTable, weights: Any) -> None:
        self._evaluator, self._weights = evaluator, weights

    def __call__(self, architectures: Any) -> list[Score]:
        assert not self._weights.flags.writeable, "it is a copy, not the array in the object store"
        return self._evaluator(architectures)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gpus": 0.5}, r"2 with 1 CPU and 0\.5 GPU each.*\d CPU, 0 GPU"),
        ({"cpus": 64}, "2 with 64 CPU and 0 GPU each"),
    ],
)
def test_resources_that_no_node_has_are_refused_at_once(
    session: Session, tmp_path: Path, settings: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=rf"engine\.workers: {message}"):
        RayEngine(faulty(tmp_path), session, EngineSettings(workers=2, **settings))


def test_a_training_has_no_deadline_and_none_is_queued_behind_it(session: Session, tmp_path: Path) -> None:
    evaluator = faulty(tmp_path, {0: "wait"})
    scores: dict[int, Score] = {}
    with RayEngine(evaluator, session, EngineSettings(workers=2, deadline=0.1), tmp_path) as engine:
        for id in range(8):
            engine.submit(id, NETWORKS[id])
        while len(scores) < 7:
            scores |= dict(engine.poll())
        assert 0 not in scores
        (tmp_path / "go").touch()
        while 0 not in scores:
            scores |= dict(engine.poll())
    assert failures(scores) == {}
    assert len(evaluator.processes(KEYS[0])) == 1


def test_a_worker_that_does_not_share_the_folder_is_named(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = tmp_path / "of another machine"
    with pytest.raises(UsageError, match=rf"node [\d.]+ \(\w+\) .*{missing}.*file system"):
        RayEngine(faulty(tmp_path), session, TWO, Path(missing.name))


class Unpicklable:
    """An evaluator that no worker can unpickle."""

    def __reduce__(self) -> Any:
        return int, ("no such device",)


def test_workers_that_do_not_start_end_the_search_with_the_cause(session: Session) -> None:
    with pytest.raises(ClusterError, match=r"invalid literal.*no such device"):
        RayEngine(Unpicklable(), session, EngineSettings(workers=4, cpus=0.5))  # type: ignore[arg-type]


def rows(folder: Path) -> Any:
    return read(folder / "journal.jsonl", TABLE).frame()[list(COLUMNS)]


def test_in_synchronous_mode_two_workers_write_the_journal_of_one(nodes: Any, tmp_path: Path) -> None:
    ray.shutdown()
    journals = []
    for name, settings in (
        ("one", EngineSettings()),
        ("two", EngineSettings(workers=2, address=nodes.address, synchronous=True)),
    ):
        (tmp_path / name).mkdir()
        evaluator = faulty(tmp_path / name, dict.fromkeys(range(0, 81, 7), "raise"))
        drive(TABLE, evaluator, settings, evaluations=40)
        lines = (tmp_path / name / "journal.jsonl").read_text().splitlines()
        journals.append(
            [
                {key: value for key, value in json.loads(line).items() if key not in ("seconds", "reason")}
                for line in lines
            ]
        )
    assert journals[0] == journals[1]
    assert rows(tmp_path / "one").equals(rows(tmp_path / "two"))


def test_a_search_of_one_worker_is_resumed_with_two_and_replayed(
    nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray.shutdown()
    drive(TABLE, faulty(tmp_path), EngineSettings(), evaluations=16)
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    drive(TABLE, faulty(tmp_path), TWO, evaluations=60)
    archive = read(tmp_path / "journal.jsonl", TABLE)
    assert sorted(archive.scores) == list(range(60))
    assert set(archive.attempts.values()) == {1}
    explorer = EXPLORERS["nsga2"](Problem(TABLE, OBJECTIVES), POPULATION)
    assert replay(explorer, tmp_path / "journal.jsonl", TABLE, seed=0) == 60


def test_when_the_head_is_lost_the_search_says_so_and_the_same_command_finishes_it(
    nodes: Any, tmp_path: Path
) -> None:
    ray.shutdown()
    journal = tmp_path / "journal.jsonl"
    with cluster() as lost:
        address = lost.address
        command = [sys.executable, "-m", "tests.support.ray_driver", str(tmp_path), address, "40"]
        driver = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        while not journal.exists() or not read(journal, TABLE).scores:
            assert driver.poll() is None
        for head in lost.head_node.all_processes["gcs_server"]:
            head.process.kill()
        _, message = driver.communicate()
        # In a graceful shutdown, the rest of the node would wait half a minute for its head.
        lost.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
    assert driver.returncode == 1
    assert address in message
    assert "same command" in message
    before = read(journal, TABLE).scores
    (tmp_path / "go").touch()
    drive(TABLE, faulty(tmp_path), EngineSettings(workers=2, address=nodes.address), evaluations=40)
    assert len(read(journal, TABLE).scores) == 40
    assert dict(list(read(journal, TABLE).scores.items())[: len(before)]) == before
    assert set(read(journal, TABLE).attempts.values()) == {1}
