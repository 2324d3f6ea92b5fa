"""Who has what, what is late and what is lost, with actors that answer as a test says: no cluster."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from evo_bnas.archive.score import Score
from evo_bnas.cluster import engine as engine_module
from evo_bnas.cluster.engine import RayEngine
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.cluster.worker import Answer, Hello, Item, versions
from evo_bnas.errors import ClusterError, UsageError
from tests.support.synthetic import separable_table

TABLE = separable_table()
NETWORKS = [TABLE.parse(key) for key in TABLE.scores]
READY = Hello("node 1", versions(), "")


@dataclass(eq=False)
class Ref:
    """What is asked of an actor: a value, what getting it raises, or None while it is not there."""

    answer: Any


class Stub:
    """Ray and a session, as far as an engine asks them, and the clock of this machine."""

    silent = False  # the head

    def __init__(self, hellos: Iterator[Any], evaluate: Callable[[list[int]], Any]) -> None:
        self.called: list[list[int]] = []  # ids, call by call
        self.killed = 0
        self.now = 0.0
        self._hellos = hellos
        self._evaluate = evaluate

    def put(self, evaluator: Any) -> Any:
        return evaluator

    def remote(self, _worker: Any) -> Any:
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._actor))

    def wait(self, refs: list[Ref], **_: Any) -> tuple[list[Ref], list[Ref]]:
        return [ref for ref in refs if ref.answer is not None], []

    def get(self, ref: Ref) -> Any:
        if isinstance(ref.answer, Exception):
            raise ref.answer
        return ref.answer

    def kill(self, _actor: Any) -> None:
        self.killed += 1

    def slots(self, asked: EngineSettings) -> int:
        return asked.workers

    def answers(self) -> bool:
        return not self.silent

    def check(self) -> None:
        if self.silent:
            raise ClusterError("the head is lost")

    def _actor(self, _evaluator: Any) -> Any:
        hello = SimpleNamespace(remote=lambda _: Ref(next(self._hellos)))
        return SimpleNamespace(hello=hello, evaluate=SimpleNamespace(remote=self._called))

    def _called(self, batch: list[Item]) -> Ref:
        self.called.append([id for id, _ in batch])
        return Ref(self._evaluate(self.called[-1]))


def done(ids: list[int], seconds: float = 0.0) -> Answer:
    return Answer([(id, Score("ok", TABLE.scores[NETWORKS[id].key])) for id in ids], seconds * len(ids))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[RayEngine, Stub]]:
    """An engine on a stub; `workers` and the rest are settings of a recipe."""

    def begin(
        hellos: Iterator[Any], evaluate: Callable[[list[int]], Any] = done, **asked: Any
    ) -> tuple[RayEngine, Stub]:
        stub = Stub(hellos, evaluate)
        monkeypatch.setattr(engine_module, "ray", stub)
        monkeypatch.setattr(engine_module, "monotonic", lambda: stub.now)
        return RayEngine(lambda _: [], stub, EngineSettings(**asked)), stub  # type: ignore[arg-type]

    return begin


def test_workers_that_cannot_start_end_no_search_that_has_one(opened: Any) -> None:
    engine, _ = opened(chain([READY], repeat(ActorDiedError())), workers=4)
    for id in range(20):
        engine.submit(id, NETWORKS[id])
    found: dict[int, Score] = {}
    while len(found) < 20:
        found |= dict(engine.poll())
    assert {score.status for score in found.values()} == {"ok"}


def test_where_none_can_start_the_search_ends(opened: Any) -> None:
    with pytest.raises(ClusterError, match="workers do not start: "):
        opened(repeat(ActorDiedError()), workers=2)


def test_a_head_that_is_lost_while_workers_start_ends_the_search(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stub, "silent", True)
    with pytest.raises(ClusterError, match="the head is lost"):
        opened(repeat(None), workers=2)


@pytest.mark.parametrize(
    ("deadline", "seconds", "late"),
    [
        (None, 0.001, 600),  # however many they are: what is known of them says less than a second
        (None, 20.0, 600),
        (None, 100.0, 1000),  # ten times the slowest
        (2.0, 0.001, 64),  # of each of 32
    ],
)
def test_a_call_is_late_by_what_its_evaluations_may_take(
    opened: Any, deadline: float | None, seconds: float, late: float
) -> None:
    def evaluate(ids: list[int]) -> Answer | None:
        return done(ids, seconds) if ids[0] < 1 else None

    engine, stub = opened(repeat(READY), evaluate, workers=2, deadline=deadline)
    engine.submit(0, NETWORKS[0])
    while not engine.poll():
        pass
    for id in range(1, 65):
        engine.submit(id, NETWORKS[id])
    engine.poll()
    assert len(stub.called[1]) == (32 if seconds < 1 else 1)
    stub.now = late
    engine.poll()
    assert stub.killed == 0
    stub.now = late + 0.1
    engine.poll()
    assert stub.killed == 2


def test_what_may_have_killed_a_worker_is_called_alone_from_then_on(opened: Any) -> None:
    engine, stub = opened(
        repeat(READY), lambda ids: ActorDiedError() if 7 in ids else done(ids, 0.001), workers=1
    )
    for id in range(20):
        engine.submit(id, NETWORKS[id])
    found: dict[int, Score] = {}
    while len(found) < 20:
        found |= dict(engine.poll())
    assert [id for id, score in found.items() if score.status == "failed"] == [7]
    assert found[7].reason == f"{NETWORKS[7].key}: the worker on node 1 died (ActorDiedError)"
    begun = len(stub.called)
    for id in (20, 7, 21):  # as a search with an attempt left does
        engine.submit(id, NETWORKS[id])
    again: dict[int, Score] = {}
    while len(again) < 3:
        again |= dict(engine.poll())
    assert [7] in stub.called[begun:]
    assert [id for id, score in again.items() if score.status == "failed"] == [7]


def test_a_worker_of_another_version_is_named(opened: Any) -> None:
    other = READY._replace(versions=READY.versions | {"torch": "1.0"})
    with pytest.raises(
        UsageError, match=r"node 1 has torch 1.0, and this process has \d.*; install the same"
    ):
        opened(repeat(other), workers=2)
    without = READY._replace(versions={"Python": READY.versions["Python"]})
    with pytest.raises(UsageError, match="node 1 has Ray none, and this process has"):
        opened(repeat(without), workers=2)
