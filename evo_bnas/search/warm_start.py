"""What an earlier search of the same space is good for.

A score is a function of weights, architecture and protocol. Where the hashes of weights and protocol are
equal, an earlier score is a score of this search too: it is entered in the journal and costs no evaluation.
Any other still says something about the order of the networks, and a surrogate may learn from it.
"""

from collections.abc import Iterable
from dataclasses import replace

from evo_bnas.archive.archive import WARM_START, Archive, Proposal
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score


def divide(earlier: Iterable[Archive], weights: str, protocol: str) -> tuple[dict[str, Score], Archive]:
    """Scores by key that count as measured, and an archive of the others for `Problem.prior`.

    Of a network that several searches have scored the first one counts; what failed is left out.
    """
    measured: dict[str, Score] = {}
    prior = Archive()
    for archive in earlier:
        for proposal, score in archive.scored:
            if (score.weights, score.protocol) == (weights, protocol):
                measured.setdefault(proposal.key, score)
            elif proposal.key not in prior.keys:
                id = len(prior.proposals)
                prior.propose(Proposal(id, proposal.key, WARM_START, 0))
                prior.answer(id, score)
    return measured, prior


def enter(journal: Journal, measured: dict[str, Score]) -> None:
    """Write measured scores into the journal of a search that has not proposed anything itself.

    Their seconds are 0, since this search does not spend them. After a kill it completes what is missing.
    """
    archive = journal.archive
    if archive.asked:
        return
    new = [key for key in measured if key not in archive.keys]
    journal.propose([Proposal(id, key, WARM_START, 0) for id, key in enumerate(new, len(archive.proposals))])
    journal.answer([(p.id, replace(measured[p.key], seconds=0.0)) for p in archive.pending])
