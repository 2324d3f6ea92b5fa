"""The search itself: ask an explorer, write it down, have it scored, write that down, go on."""

from collections.abc import Sequence

import numpy as np

from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Engine
from evo_bnas.interrupt import deferred
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
    attempts: int = 2,
    seconds: float | None = None,
    stall: int | None = None,
    report: Report = silent,
) -> str:
    """Search until a budget is spent; returns what ended it, as a sentence.

    `evaluations` and `seconds` (of evaluation, summed) count what stands in the journal already, but not
    what a warm start brought; `stall` ends the search when that many evaluations in a row gained less than
    0.1 % of hypervolume. What fails is tried up to `attempts` times, and counts as one evaluation. A
    synchronous engine gets `batch` proposals whenever all earlier ones are settled, any other as many as it
    has capacity for. Called again with the same journal it finishes what was under way and goes on; the
    synchronous search then writes what it would have written without the interruption.

    At Ctrl-C nothing new is begun; what is under way is finished and written down, then KeyboardInterrupt
    rises. The second Ctrl-C rises at once, and nothing that was written is lost by it. Raises UsageError
    where the first evaluations all fail.
    """
    archive = journal.archive
    under_way: set[int] = set()

    def submit(proposals: Sequence[Proposal]) -> None:
        for proposal in proposals:
            under_way.add(proposal.id)
            engine.submit(proposal.id, problem.space.parse(proposal.key))

    def start(drafts: Sequence[Draft]) -> None:
        numbered = enumerate(drafts, len(archive.proposals))
        seen = len(archive.scores)
        proposals = [Proposal(id, d.architecture.key, d.origin, seen, d.predicted) for id, d in numbered]
        journal.propose(proposals)
        submit(proposals)

    pending = archive.pending
    submit(archive.due(attempts))
    if engine.capacity == 0 and pending and pending[0].seen == len(archive.scores):
        # None of them is scored, so they may be what a kill left of a batch while it was written. A pure
        # explorer gives that batch again: asked about the archive before it.
        earlier = archive.before(pending[0].id)
        drafts = ask(explorer, earlier, min(batch, evaluations - earlier.asked), seed, attempts)
        if [d.architecture.key for d in drafts[: len(pending)]] == [p.key for p in pending]:
            start(drafts[len(pending) :])

    volume = Hypervolume(problem.objectives, problem.bounds())
    for id, score in archive.scores.items():
        if id not in under_way:
            volume.add(score.objectives)
    fresh: list[Score] = []
    with deferred() as interrupted:
        while True:
            spent = _spent(archive, volume, evaluations, seconds, stall)
            most = engine.capacity or (0 if under_way else batch)
            room = min(most - len(under_way), evaluations - archive.asked)
            if room > 0 and not spent and not interrupted():
                start(ask(explorer, archive, room, seed, attempts))
            if not under_way:
                break
            scores = engine.poll()
            if not scores:
                continue
            journal.answer(scores)
            under_way -= {id for id, _ in scores}
            failed = [id for id, score in scores if score.status == "failed"]
            again = {id for id in failed if archive.attempts[id] < attempts}
            for id, score in scores:
                if id not in again:
                    volume.add(score.objectives)
            fresh += [score for _, score in scores]
            if len(fresh) >= min(HOPELESS, evaluations * attempts) and all(
                s.status == "failed" for s in fresh
            ):
                raise UsageError(
                    f"the first {len(fresh)} evaluations all failed, the last with {fresh[-1].reason}; "
                    "mend that, and the same command goes on"
                )
            if interrupted():
                figures = (
                    f"interrupted: {len(under_way)} under way to be finished; Ctrl-C again stops at once"
                )
            else:
                submit([archive.proposals[id] for id, _ in scores if id in again])
                figures = _figures(archive, volume)
            done = archive.asked - len(under_way)
            report(Progress("search", done, evaluations, "evaluations", figures))
        if interrupted():
            raise KeyboardInterrupt
    return spent or "Every network within the limits that the explorer could find is scored."


def ask(explorer: Explorer, archive: Archive, n: int, seed: int, attempts: int) -> list[Draft]:
    """What an explorer proposes next: the same for the same archive, since that decides the generator."""
    rng = np.random.default_rng([seed, len(archive.proposals)])
    return explorer.propose(archive, archive.due(attempts), n, rng)


def _spent(
    archive: Archive, volume: Hypervolume, evaluations: int, seconds: float | None, stall: int | None
) -> str:
    """Which budget is spent, as a sentence; empty while none is."""
    if archive.asked >= evaluations:
        return f"All {evaluations:,} evaluations are done."
    if seconds is not None and archive.seconds >= seconds:
        return f"The budget of {seconds:,.0f} s of evaluation is spent."
    trace = volume.trace
    if stall is not None and len(trace) > stall and trace[-1] <= trace[-1 - stall] * (1 + STALL):
        return f"The last {stall:,} evaluations raised the hypervolume by less than {100 * STALL:g} %."
    return ""


def _figures(archive: Archive, volume: Hypervolume) -> str:
    errors = [score.objectives["error"] for score in archive.scores.values() if score.status == "ok"]
    lowest = f", lowest error {100 * min(errors):.2f} %" if errors else ""
    return f"hypervolume {volume.value:.4f}{lowest}"
