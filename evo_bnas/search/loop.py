"""The search loop: ask the explorer, write its proposals, have them scored, write the scores, repeat.

A synchronous engine gets `batch` proposals whenever it has scored all earlier ones. An asynchronous engine is
kept at its capacity: the explorer is asked for as many as are missing, once these are `batch` or half of the
capacity. What fails is tried up to `max_attempts` times and counts as one evaluation.

Called again with the same journal, a search finishes what was in flight and resumes; a synchronous one then
writes what it would have written without the interruption. After Ctrl-C nothing new is started; evaluations
in flight are finished and recorded, then KeyboardInterrupt is raised. A second Ctrl-C raises it at once, and
no recorded score is lost.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.front import Hypervolume
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Engine
from evo_bnas.interrupt import deferred
from evo_bnas.progress import Progress, Report, silent
from evo_bnas.search.explorer import Candidate, Explorer
from evo_bnas.search.problem import Problem

_log = logging.getLogger(__name__)

MIN_GAIN = 1e-3  # relative gain of hypervolume below which a search makes no progress
MAX_FAILURES = 8  # before the first success; then the search gives up


def search(
    problem: Problem,
    explorer: Explorer,
    engine: Engine,
    journal: Journal,
    *,
    evaluations: int,
    batch: int,
    seed: int,
    max_attempts: int = 2,
    seconds: float | None = None,
    patience: int | None = None,
    report: Report = silent,
) -> str:
    """Search until a budget is used up; returns why the search ended, as a sentence.

    `evaluations` and `seconds` (of evaluation, summed) include those already in the journal, but not copied
    scores of a warm start. `patience` ends the search after this many evaluations in a row that raised the
    hypervolume by less than 0.1 %. Raises UsageError if the first evaluations all fail.
    """
    loop = _SearchLoop(
        problem, explorer, engine, journal, evaluations, batch, seed, max_attempts, seconds, patience
    )
    loop.resume()
    with deferred() as interrupted:
        while loop.advance(interrupted):
            if scores := engine.poll():
                loop.record(scores, interrupted)
                report(loop.progress())
        if interrupted():
            raise KeyboardInterrupt
    return loop.end() or "Every network within the limits that the explorer could find is scored."


def next_candidates(explorer: Explorer, archive: Archive, n: int, seed: int) -> list[Candidate]:
    """The next candidates of an explorer; they depend only on the archive and the seed."""
    return explorer.propose(archive, n, np.random.default_rng([seed, len(archive.proposals)]))


@dataclass
class _SearchLoop:
    """The state of a running search. Everything is written to the journal before it is used."""

    problem: Problem
    explorer: Explorer
    engine: Engine
    journal: Journal
    evaluations: int
    batch: int
    seed: int
    max_attempts: int
    seconds: float | None
    patience: int | None
    in_flight: set[int] = field(default_factory=set)  # ids of proposals
    failures: list[Score] | None = field(default_factory=list)  # of this search; None after a success
    announced: bool = False  # that it was interrupted

    def __post_init__(self) -> None:
        self.archive = self.journal.archive
        self.volume = Hypervolume(self.problem.objectives, self.problem.bounds())

    def resume(self) -> None:
        """Submit what an earlier search left unfinished, and complete the batch that it was writing."""
        pending = self.archive.pending
        self._submit(self.archive.due(self.max_attempts))
        for id, score in self.archive.scores.items():
            if id not in self.in_flight:
                self.volume.add(score.objectives)
        if not pending or self.engine.capacity or pending[0].seen != len(self.archive.scores):
            return
        # None of the pending is scored, so they may be part of a batch whose writing was interrupted. The
        # explorer, a pure function, proposes that batch again for the archive before it.
        earlier = self.archive.until(pending[0].id, pending[0].seen)
        size = min(self.batch, self.evaluations - earlier.charged)
        candidates = next_candidates(self.explorer, earlier, size, self.seed)
        if [c.architecture for c in candidates[: len(pending)]] == [p.architecture for p in pending]:
            self._start(candidates[len(pending) :])

    def advance(self, interrupted: Callable[[], bool]) -> bool:
        """Start new proposals, unless the search ends; returns whether anything is in flight."""
        if interrupted():
            self._announce()
        elif not self.end() and (room := self._room()) > 0:
            self._start(next_candidates(self.explorer, self.archive, room, self.seed))
        return bool(self.in_flight)

    def record(self, scores: Sequence[tuple[int, Score]], interrupted: Callable[[], bool]) -> None:
        """Write scores to the journal and retry failures with attempts left, unless interrupted.

        Raises UsageError if only failures were scored so far and there are enough to give up.
        """
        self.journal.add_scores(scores)
        self.in_flight -= {id for id, _ in scores}
        self._give_up([score for _, score in scores])
        retries = []
        for id, score in scores:
            if score.status == "failed" and self.archive.attempts[id] < self.max_attempts:
                retries.append(self.archive.proposals[id])
            else:
                self.volume.add(score.objectives)
        if not interrupted():
            self._submit(retries)

    def end(self) -> str:
        """Which budget is used up, as a sentence; empty if none is."""
        if self.archive.charged >= self.evaluations:
            return f"All {self.evaluations:,} evaluations are done."
        if self.seconds is not None and self.archive.seconds >= self.seconds:
            return f"The budget of {self.seconds:,.0f} s of evaluation is used up."
        if self.patience is not None and self._stalled(self.patience):
            return (
                f"The last {self.patience:,} evaluations raised the hypervolume by less than "
                f"{100 * MIN_GAIN:g} %."
            )
        return ""

    def progress(self) -> Progress:
        done = self.archive.charged - len(self.in_flight)
        errors = [s.objectives["error"] for s in self.archive.scores.values() if s.status == "ok"]
        lowest = f", lowest error {100 * min(errors):.2f} %" if errors else ""
        figures = f"hypervolume {self.volume.value:.4f}{lowest}"
        return Progress("search", done, self.evaluations, "evaluations", figures)

    def _room(self) -> int:
        """How many proposals to ask for now.

        An asynchronous engine is filled in groups, since a group of proposals takes an explorer hardly longer
        than a single one. It evaluates half of its capacity; the other half waits, so half may be missing.
        """
        left = self.evaluations - self.archive.charged
        if not (capacity := self.engine.capacity):
            return 0 if self.in_flight else min(self.batch, left)
        room = min(capacity - len(self.in_flight), left)
        return room if room >= min(self.batch, capacity // 2, left) else 0

    def _start(self, candidates: Sequence[Candidate]) -> None:
        seen = len(self.archive.scores)
        proposals = [
            Proposal(id, candidate.architecture, candidate.origin, seen, candidate.predicted)
            for id, candidate in enumerate(candidates, len(self.archive.proposals))
        ]
        self.journal.add_proposals(proposals)
        self._submit(proposals)

    def _submit(self, proposals: Sequence[Proposal]) -> None:
        for proposal in proposals:
            self.in_flight.add(proposal.id)
            self.engine.submit(proposal.id, proposal.architecture)

    def _announce(self) -> None:
        if self.in_flight and not self.announced:
            self.announced = True
            _log.warning(
                "interrupted: finishing %d in flight; Ctrl-C again stops at once", len(self.in_flight)
            )

    def _give_up(self, scores: Sequence[Score]) -> None:
        """Raise UsageError at the last of too many failures."""
        if self.failures is None or any(score.status == "ok" for score in scores):
            self.failures = None
            return
        self.failures += scores
        if len(self.failures) >= min(MAX_FAILURES, self.evaluations * self.max_attempts):
            raise UsageError(
                f"the first {len(self.failures)} evaluations all failed, the last with "
                f"{self.failures[-1].reason}; fix this, then resume with the same command"
            )

    def _stalled(self, patience: int) -> bool:
        trace = self.volume.trace
        return len(trace) > patience and trace[-1] <= trace[-1 - patience] * (1 + MIN_GAIN)
