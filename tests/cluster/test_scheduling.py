"""Distribution, retries and timeouts, with workers that answer as the test says and no cluster."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from evo_bnas.archive.score import Score
from evo_bnas.cluster import engine as engine_module
from evo_bnas.cluster import pool as pool_module
from evo_bnas.cluster.engine import RayEngine
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.cluster.worker import CallResult, Request, WorkerInfo, versions
from evo_bnas.errors import ClusterError, UsageError
from tests.support.synthetic import separable_table

TABLE = separable_table()
NETWORKS = [TABLE.parse(key) for key in TABLE.scores]
READY = WorkerInfo("node 1", versions(), "")


@dataclass(eq=False)
class Ref:
    """A reference as Ray returns it: to a value, to an exception, or to nothing yet (None)."""

    answer: Any


class Stub:
    """Ray, a session and the clock, as far as an engine uses them."""

    silent = False  # the head

    def __init__(self, infos: Iterator[Any], evaluate: Callable[[list[int]], Any]) -> None:
        self.called: list[list[int]] = []  # ids, call by call
        self.killed = 0
        self.now = 0.0
        self._infos = infos
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

    def room(self, settings: EngineSettings) -> int:
        return settings.workers

    def is_up(self) -> bool:
        return not self.silent

    def check(self) -> None:
        if self.silent:
            raise ClusterError("the head is lost")

    def _actor(self, _evaluator: Any) -> Any:
        info = SimpleNamespace(remote=lambda _: Ref(next(self._infos)))
        return SimpleNamespace(info=info, evaluate=SimpleNamespace(remote=self._call))

    def _call(self, batch: list[Request]) -> Ref:
        self.called.append([id for id, _ in batch])
        return Ref(self._evaluate(self.called[-1]))


def done(ids: list[int], seconds: float = 0.0) -> CallResult:
    return CallResult([(id, Score("ok", TABLE.scores[NETWORKS[id].key])) for id in ids], seconds * len(ids))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[RayEngine, Stub]]:
    """Opens an engine on a stub; the keywords are settings of a recipe."""

    def open_engine(
        infos: Iterator[Any], evaluate: Callable[[list[int]], Any] = done, **settings: Any
    ) -> tuple[RayEngine, Stub]:
        stub = Stub(infos, evaluate)
        for module in (engine_module, pool_module):
            monkeypatch.setattr(module, "ray", stub)
            monkeypatch.setattr(module, "monotonic", lambda: stub.now)
        return RayEngine(lambda _: [], stub, EngineSettings(**settings)), stub  # type: ignore[arg-type]

    return open_engine


def scored(engine: RayEngine, ids: list[int]) -> dict[int, Score]:
    """The scores of these networks."""
    for id in ids:
        engine.submit(id, NETWORKS[id])
    scores: dict[int, Score] = {}
    while len(scores) < len(ids):
        scores |= dict(engine.poll())
    return scores


def test_workers_that_cannot_start_do_not_end_a_search_with_another_worker(opened: Any) -> None:
    engine, _ = opened(chain([READY], repeat(ActorDiedError())), workers=4)
    assert {score.status for score in scored(engine, list(range(20))).values()} == {"ok"}


def test_if_no_worker_can_start_the_search_ends(opened: Any) -> None:
    with pytest.raises(ClusterError, match="do not start"):
        opened(repeat(ActorDiedError()), workers=2)


def test_a_head_that_is_lost_while_workers_start_ends_the_search(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stub, "silent", True)
    with pytest.raises(ClusterError, match="the head is lost"):
        opened(repeat(None), workers=2)


@pytest.mark.parametrize(
    ("deadline", "seconds", "timeout"),
    [
        (None, 0.001, 600),  # at least 10 minutes, for a call of any size
        (None, 20.0, 600),
        (None, 100.0, 1000),  # ten times the slowest evaluation
        (2.0, 0.001, 64),  # for each of 32 evaluations
    ],
)
def test_the_timeout_of_a_call_follows_from_its_evaluations(
    opened: Any, deadline: float | None, seconds: float, timeout: float
) -> None:
    def evaluate(ids: list[int]) -> CallResult | None:
        return done(ids, seconds) if ids[0] < 1 else None

    engine, stub = opened(repeat(READY), evaluate, workers=2, deadline=deadline)
    scored(engine, [0])
    for id in range(1, 65):
        engine.submit(id, NETWORKS[id])
    engine.poll()
    assert len(stub.called[1]) == (32 if seconds < 1 else 1)
    stub.now = timeout
    engine.poll()
    assert stub.killed == 0
    stub.now = timeout + 0.1
    engine.poll()
    assert stub.killed == 2


def test_an_evaluation_that_has_lost_a_worker_is_called_alone_from_then_on(opened: Any) -> None:
    engine, stub = opened(
        repeat(READY), lambda ids: ActorDiedError() if 7 in ids else done(ids, 0.001), workers=1
    )
    scores = scored(engine, list(range(20)))
    assert [id for id, score in scores.items() if score.status == "failed"] == [7]
    assert scores[7].reason == f"{NETWORKS[7].key}: the worker on node 1 died (ActorDiedError)"
    before = len(stub.called)
    again = scored(engine, [20, 7, 21])  # as in a search that attempts 7 once more
    assert [7] in stub.called[before:]
    assert [id for id, score in again.items() if score.status == "failed"] == [7]


def test_a_worker_with_another_version_is_named(opened: Any) -> None:
    other = READY._replace(versions=READY.versions | {"torch": "1.0"})
    with pytest.raises(UsageError, match=r"node 1 has torch 1\.0.*install the same version"):
        opened(repeat(other), workers=2)
    without = READY._replace(versions={"python": READY.versions["python"]})
    with pytest.raises(UsageError, match="node 1 has evo-bnas none"):
        opened(repeat(without), workers=2)
