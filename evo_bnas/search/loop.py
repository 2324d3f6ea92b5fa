"""The search itself: ask an explorer, write it down, have it scored, write that down, go on."""

import logging
from collections.abc import Sequence
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
from evo_bnas.search.explorer import Draft, Explorer
from evo_bnas.search.problem import Problem

_log = logging.getLogger(__name__)

MIN_GAIN = 1e-3  # relative gain of hypervolume below which a search stands still
HOPELESS = 8  # evaluations that have to fail, before the first success, to end a search


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
    """Search until a budget is spent; returns what ended it, as a sentence.

    `evaluations` and `seconds` (of evaluation, summed) count what stands in the journal already, but not
    what a warm start brought; `patience` ends the search when that many evaluations in a row gained less than
    0.1 % of hypervolume. What fails is tried up to `max_attempts` times, and counts as one evaluation. A
    synchronous engine gets `batch` proposals whenever all earlier ones are settled. Any other is kept at its
    capacity, and the explorer asked for as many as are missing, once these are `batch` or half of it.
    Called again with the same journal it finishes what was under way and goes on; the synchronous search
    then writes what it would have written without the interruption.

    At Ctrl-C nothing new is begun; what is under way is finished and written down, then KeyboardInterrupt
    rises. The second Ctrl-C rises at once, and nothing that was written is lost by it. Raises UsageError
    where the first evaluations all fail.
    """
    archive = journal.archive
    volume = Hypervolume(problem.objectives, problem.bounds())
    going = _Search(problem, explorer, engine, journal, evaluations, batch, seed, max_attempts)
    going.take_up()
    for id, score in archive.scores.items():
        if id not in going.under_way:
            volume.add(score.objectives)
    with deferred() as interrupted:
        told = False
        while True:
            spent = _spent(archive, volume, evaluations, seconds, patience)
            if not spent and not interrupted():
                going.propose(going.room())
            if not going.under_way:
                break
            if interrupted() and not told:
                told = True
                left = len(going.under_way)
                _log.warning("interrupted: %d under way to be finished; Ctrl-C again stops at once", left)
            scores = engine.poll()
            if not scores:
                continue
            again = going.write_down(scores)
            for id, score in scores:
                if id not in again:
                    volume.add(score.objectives)
            if not interrupted():
                going.submit([archive.proposals[id] for id in again])
            done = archive.asked - len(going.under_way)
            report(Progress("search", done, evaluations, "evaluations", _figures(archive, volume)))
        if interrupted():
            raise KeyboardInterrupt
    return spent or "Every network within the limits that the explorer could find is scored."


def ask(explorer: Explorer, archive: Archive, n: int, seed: int, max_attempts: int) -> list[Draft]:
    """What an explorer proposes next: the same for the same archive, since that decides the generator."""
    rng = np.random.default_rng([seed, len(archive.proposals)])
    return explorer.propose(archive, archive.due(max_attempts), n, rng)


@dataclass
class _Search:
    """What is under way, and the order of things: written down, then handed on."""

    problem: Problem
    explorer: Explorer
    engine: Engine
    journal: Journal
    evaluations: int
    batch: int
    seed: int
    max_attempts: int
    under_way: set[int] = field(default_factory=set)  # ids of proposals
    failures: list[Score] | None = field(default_factory=list)  # of this search; None after a success

    @property
    def archive(self) -> Archive:
        return self.journal.archive

    def take_up(self) -> None:
        """Submit what an earlier search left unfinished, and complete a batch that it was writing."""
        pending = self.archive.pending
        self.submit(self.archive.due(self.max_attempts))
        if not pending or self.engine.capacity or pending[0].seen != len(self.archive.scores):
            return
        # None of them is scored, so they may be what a kill left of a batch while it was written. A pure
        # explorer gives that batch again: asked about the archive before it.
        earlier = self.archive.before(pending[0].id)
        size = min(self.batch, self.evaluations - earlier.asked)
        drafts = ask(self.explorer, earlier, size, self.seed, self.max_attempts)
        if [d.architecture.key for d in drafts[: len(pending)]] == [p.key for p in pending]:
            self._start(drafts[len(pending) :])

    def room(self) -> int:
        """How many proposals to ask for now.

        An asynchronous engine is filled up in groups, since to ask an explorer for many costs little more
        than to ask it for one. Half of the capacity is what it evaluates, the other half what waits.
        """
        left = self.evaluations - self.archive.asked
        if not (capacity := self.engine.capacity):
            return 0 if self.under_way else min(self.batch, left)
        room = min(capacity - len(self.under_way), left)
        return room if room >= min(self.batch, capacity // 2, left) else 0

    def propose(self, n: int) -> None:
        """Ask for so many proposals and start them."""
        if n > 0:
            self._start(ask(self.explorer, self.archive, n, self.seed, self.max_attempts))

    def submit(self, proposals: Sequence[Proposal]) -> None:
        """Hand on what is written down."""
        for proposal in proposals:
            self.under_way.add(proposal.id)
            self.engine.submit(proposal.id, self.problem.space.parse(proposal.key))

    def write_down(self, scores: Sequence[tuple[int, Score]]) -> list[int]:
        """Answer proposals; returns the ids of those that failed and may be tried again.

        Raises UsageError where all that were scored failed, and they are enough to give up.
        """
        self.journal.answer(scores)
        self.under_way -= {id for id, _ in scores}
        self._give_up([score for _, score in scores])
        failed = [id for id, score in scores if score.status == "failed"]
        return [id for id in failed if self.archive.attempts[id] < self.max_attempts]

    def _start(self, drafts: Sequence[Draft]) -> None:
        numbered = enumerate(drafts, len(self.archive.proposals))
        seen = len(self.archive.scores)
        proposals = [Proposal(id, d.architecture.key, d.origin, seen, d.predicted) for id, d in numbered]
        self.journal.propose(proposals)
        self.submit(proposals)

    def _give_up(self, scores: Sequence[Score]) -> None:
        """Raise UsageError at the last of too many failures."""
        if self.failures is None or any(score.status == "ok" for score in scores):
            self.failures = None
            return
        self.failures += scores
        if len(self.failures) >= min(HOPELESS, self.evaluations * self.max_attempts):
            raise UsageError(
                f"the first {len(self.failures)} evaluations all failed, the last with "
                f"{self.failures[-1].reason}; mend that, and the same command goes on"
            )


def _spent(
    archive: Archive, volume: Hypervolume, evaluations: int, seconds: float | None, patience: int | None
) -> str:
    """Which budget is spent, as a sentence; empty while none is."""
    if archive.asked >= evaluations:
        return f"All {evaluations:,} evaluations are done."
    if seconds is not None and archive.seconds >= seconds:
        return f"The budget of {seconds:,.0f} s of evaluation is spent."
    trace = volume.trace
    if patience is not None and len(trace) > patience and trace[-1] <= trace[-1 - patience] * (1 + MIN_GAIN):
        return f"The last {patience:,} evaluations raised the hypervolume by less than {100 * MIN_GAIN:g} %."
    return ""


def _figures(archive: Archive, volume: Hypervolume) -> str:
    errors = [score.objectives["error"] for score in archive.scores.values() if score.status == "ok"]
    lowest = f", lowest error {100 * min(errors):.2f} %" if errors else ""
    return f"hypervolume {volume.value:.4f}{lowest}"
