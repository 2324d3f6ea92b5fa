"""The proof that a search is what its journal says: its explorer, asked again, answers the same.

An asynchronous search depends on the order in which scores arrived, and that stands in the journal.
"""

from itertools import groupby
from pathlib import Path

from evo_bnas.archive.archive import WARM_START, Archive, Proposal
from evo_bnas.archive.journal import history
from evo_bnas.search.explorer import Explorer
from evo_bnas.search.loop import ask


def replay(explorer: Explorer, path: Path, *, seed: int, max_attempts: int = 2) -> int:
    """Ask an explorer for every proposal in a journal file again; returns how many there were.

    Proposals in a row are taken as one call; where the writing of such a row was killed and an asynchronous
    search continued it, they were two, and the replay may differ there. Raises ValueError, with the id, at
    the first proposal that differs, and UsageError where the file is damaged.
    """
    archive = Archive()
    asked = 0
    for proposed, events in groupby(history(path), key=lambda event: isinstance(event, Proposal)):
        if not proposed:
            for event in events:
                assert not isinstance(event, Proposal)
                archive.answer(event.id, event.score)
            continue
        proposals = [event for event in events if isinstance(event, Proposal)]
        own = [proposal for proposal in proposals if proposal.origin != WARM_START]
        drafts = ask(explorer, archive, len(own), seed, max_attempts) if own else []
        keys = [draft.architecture.key for draft in drafts]
        for position, proposal in enumerate(own):
            if keys[position : position + 1] != [proposal.key]:
                raise ValueError(f"proposal {proposal.id} is {proposal.key}, but the explorer gives {keys}")
        for proposal in proposals:
            archive.propose(proposal)
        asked += len(own)
    return asked
