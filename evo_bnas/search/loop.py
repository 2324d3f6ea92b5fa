"""The search itself: ask an explorer, write it down, have it scored, write that down, go on."""

from collections.abc import Sequence

import numpy as np

from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Engine
from evo_bnas.progress import Progress, Report, silent
from evo_bnas.results.archive import Archive, Proposal
from evo_bnas.results.front import Hypervolume
from evo_bnas.results.journal import Journal
from evo_bnas.score import Score
from evo_bnas.search.explorer import Draft, Explorer
from evo_bnas.search.problem import Problem

STALL = 1e-3  # relative gain of hypervolume below which a search stands still
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
    seconds: float | None = None,
    stall: int | None = None,
    report: Report = silent,
) -> str:
    """Search until a budget is spent; returns what ended it, as a sentence.

    `evaluations` and `seconds` (of evaluation, summed) count what stands in the journal already; `stall`
    ends the search when that many evaluations in a row gained less than 0.1 % of hypervolume. A synchronous
    engine gets `batch` proposals whenever all earlier ones are scored, any other as many as it has capacity
    for. Called again with the same journal it finishes what was under way and goes on; the synchronous
    search then writes what it would have written without the interruption.

    Raises UsageError where the first evaluations all fail. An interrupt passes; nothing is lost by it.
    """
    archive = journal.archive

    def ask(known: Archive, n: int) -> list[Draft]:
        rng = np.random.default_rng([seed, len(known.proposals)])
        return explorer.propose(known, known.pending, n, rng)

    def start(drafts: Sequence[Draft]) -> None:
        numbered = list(enumerate(drafts, len(archive.proposals)))
        seen = len(archive.scores)
        journal.propose([Proposal(id, d.architecture.key, d.origin, seen, d.predicted) for id, d in numbered])
        for id, draft in numbered:
            engine.submit(id, draft.architecture)

    pending = archive.pending
    for proposal in pending:
        engine.submit(proposal.id, problem.space.parse(proposal.key))
    if engine.capacity == 0 and pending and pending[0].seen == len(archive.scores):
        # None of them is scored, so they may be what a kill left of a batch while it was written. A pure
        # explorer gives that batch again: asked about the archive before it.
        first = pending[0].id
        drafts = ask(archive.before(first), min(batch, evaluations - first))
        if [d.architecture.key for d in drafts[: len(pending)]] == [p.key for p in pending]:
            start(drafts[len(pending) :])

    volume = Hypervolume(problem.objectives, problem.bounds())
    for score in archive.scores.values():
        volume.add(score.objectives)
    fresh: list[Score] = []
    while True:
        spent = _spent(archive, volume, evaluations, seconds, stall)
        under_way = len(archive.pending)
        most = engine.capacity or (0 if under_way else batch)
        room = min(most - under_way, evaluations - len(archive.proposals))
        if room > 0 and not spent:
            start(ask(archive, room))
        if not archive.pending:
            return spent or "Every network within the limits that the explorer could find is scored."
        scores = engine.poll()
        if not scores:
            continue
        journal.answer(scores)
        fresh += [score for _, score in scores]
        for _, score in scores:
            volume.add(score.objectives)
        report(Progress("search", len(archive.scores), evaluations, "evaluations", _figures(archive, volume)))
        if len(fresh) >= min(HOPELESS, evaluations) and all(score.status == "failed" for score in fresh):
            raise UsageError(
                f"the first {len(fresh)} evaluations all failed, the last with {fresh[-1].reason}; "
                "mend that, and the same command goes on"
            )


def _spent(
    archive: Archive, volume: Hypervolume, evaluations: int, seconds: float | None, stall: int | None
) -> str:
    """Which budget is spent, as a sentence; empty while none is."""
    if len(archive.proposals) >= evaluations:
        return f"All {evaluations:,} evaluations are done."
    if seconds is not None and sum(score.seconds for score in archive.scores.values()) >= seconds:
        return f"The budget of {seconds:,.0f} s of evaluation is spent."
    trace = volume.trace
    if stall is not None and len(trace) > stall and trace[-1] <= trace[-1 - stall] * (1 + STALL):
        return f"The last {stall:,} evaluations raised the hypervolume by less than {100 * STALL:g} %."
    return ""


def _figures(archive: Archive, volume: Hypervolume) -> str:
    errors = [score.objectives["error"] for score in archive.scores.values() if score.status == "ok"]
    lowest = f", lowest error {100 * min(errors):.2f} %" if errors else ""
    return f"hypervolume {volume.value:.4f}{lowest}"
