"""The use of earlier searches of the same space.

A score is a function of weights, architecture and protocol. If the hashes of weights and protocol are equal,
an earlier score is valid in this search too: it is copied into the journal and needs no evaluation. All other
scores still tell something about the order of the networks, and a surrogate may learn from them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from evo_bnas.archive.archive import WARM_START, Archive, Proposal
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.space.genes import Architecture


def divide(
    earlier: Iterable[Archive], weights: str, protocol: str
) -> tuple[dict[Architecture, Score], Archive]:
    """The scores that are valid for these hashes, and an archive of the others for `Problem.prior`.

    Failed evaluations are left out; of several scores of a network the first is used.
    """
    valid: dict[Architecture, Score] = {}
    prior = Archive()
    for archive in earlier:
        for proposal, score in archive.scored:
            if (score.weights, score.protocol) == (weights, protocol):
                valid.setdefault(proposal.architecture, score)
            elif proposal.architecture not in prior.architectures:
                id = len(prior.proposals)
                prior.add_proposal(Proposal(id, proposal.architecture, WARM_START, 0))
                prior.add_score(id, score)
    return valid, prior


def record(journal: Journal, valid: Mapping[Architecture, Score]) -> None:
    """Copy valid scores into the journal of a search, unless it has made proposals of its own.

    Their seconds are set to 0, since this search does not spend them. After a kill the rest is copied.
    """
    archive = journal.archive
    if archive.charged:
        return
    new = (architecture for architecture in valid if architecture not in archive.architectures)
    numbered = enumerate(new, len(archive.proposals))
    journal.add_proposals([Proposal(id, network, WARM_START, 0) for id, network in numbered])
    journal.add_scores([(p.id, replace(valid[p.architecture], seconds=0.0)) for p in archive.pending])
