"""Replay a search from its journal: its explorer must propose the same again.

An asynchronous search depends on the order in which scores arrived, which is that of the journal.
"""

from itertools import groupby
from pathlib import Path

from evo_bnas.archive.archive import WARM_START, Archive, Proposal
from evo_bnas.archive.journal import history
from evo_bnas.search.explorer import Explorer
from evo_bnas.search.loop import next_candidates
from evo_bnas.space.genes import GeneSpace


def replay(explorer: Explorer, path: Path, space: GeneSpace, *, seed: int) -> int:
    """Repeat every proposal in a journal file of a search in a space; returns their number.

    Consecutive proposals are taken as one call of the explorer. If a kill interrupted their writing and an
    asynchronous search resumed, they were two calls, and the replay may differ there. Raises ValueError, with
    its id, at the first proposal that differs, and UsageError if the file is damaged.
    """
    archive = Archive()
    replayed = 0
    for is_proposal, group in groupby(history(path, space), key=lambda event: isinstance(event, Proposal)):
        events = list(group)
        if is_proposal:
            replayed += _replay_call(explorer, archive, [e for e in events if isinstance(e, Proposal)], seed)
        for event in events:
            if isinstance(event, Proposal):
                archive.add_proposal(event)
            else:
                archive.add_score(*event)
    return replayed


def _replay_call(explorer: Explorer, archive: Archive, proposals: list[Proposal], seed: int) -> int:
    """Compare proposals with those of the explorer for the archive before them; returns their number."""
    own = [proposal for proposal in proposals if proposal.origin != WARM_START]
    candidates = next_candidates(explorer, archive, len(own), seed) if own else []
    keys = [candidate.architecture.key for candidate in candidates]
    for index, proposal in enumerate(own):
        if keys[index : index + 1] != [proposal.key]:
            raise ValueError(f"proposal {proposal.id} is {proposal.key}, but the explorer proposes {keys}")
    return len(own)
