"""All that a search knows: what was proposed, and what became of it."""

from dataclasses import dataclass

import pandas as pd

from evo_bnas.archive.score import Score
from evo_bnas.network.objectives import OBJECTIVES

WARM_START = "warm start"  # origin of what an earlier run measured


@dataclass(frozen=True, slots=True)
class Proposal:
    """An architecture to be scored."""

    id: int  # 0, 1, 2, … in order of proposal
    key: str
    origin: str  # which rule of the explorer it comes from
    seen: int  # number of scores that the explorer knew
    predicted: float | None = None


class Archive:
    """Proposals in order of id, which is that of time; the last score of each, in order of arrival."""

    def __init__(self) -> None:
        self.proposals: list[Proposal] = []
        self.scores: dict[int, Score] = {}
        self.attempts: dict[int, int] = {}  # how many scores came for an id, failed ones included
        self.keys: set[str] = set()  # of every proposal
        self.seconds = 0.0  # of evaluation, all attempts
        self.asked = 0  # proposals that the search paid for: all but those of a warm start

    @property
    def pending(self) -> list[Proposal]:
        """Proposals without a score, in order of id."""
        return [proposal for proposal in self.proposals if proposal.id not in self.scores]

    @property
    def answered(self) -> list[tuple[Proposal, Score]]:
        """Proposals with their scores, the failed ones included, in order of id."""
        return [(p, self.scores[p.id]) for p in self.proposals if p.id in self.scores]

    @property
    def scored(self) -> list[tuple[Proposal, Score]]:
        """Proposals with successful scores, in order of id."""
        return [(proposal, score) for proposal, score in self.answered if score.status == "ok"]

    def due(self, max_attempts: int) -> list[Proposal]:
        """What still has to be scored: the pending, in order of id, then failures with attempts left."""
        again = (
            self.proposals[id]
            for id, score in self.scores.items()
            if score.status == "failed" and self.attempts[id] < max_attempts
        )
        return [*self.pending, *again]

    def left(self, evaluations: int, max_attempts: int) -> int:
        """How many evaluations are to be made until so many are paid for and none is due."""
        return max(evaluations - self.asked, 0) + len(self.due(max_attempts))

    def propose(self, proposal: Proposal) -> None:
        """Add a proposal; raises ValueError unless its id is the next one and its key is new."""
        if proposal.id != len(self.proposals):
            raise ValueError(f"proposal {proposal.id} stands where {len(self.proposals)} is due")
        if proposal.key in self.keys:
            raise ValueError(f"proposal {proposal.id}: {proposal.key} was proposed before")
        self.proposals.append(proposal)
        self.keys.add(proposal.key)
        self.asked += proposal.origin != WARM_START

    def answer(self, id: int, score: Score) -> None:
        """Add the score of a proposal; raises ValueError unless it was asked for, or after a success."""
        if not 0 <= id < len(self.proposals):
            raise ValueError(f"a score for {id}, which was never proposed")
        if id in self.scores and self.scores[id].status == "ok":
            raise ValueError(f"a second score for {id}, which did not fail")
        self.scores.pop(id, None)  # a later attempt arrives later
        self.scores[id] = score
        self.attempts[id] = self.attempts.get(id, 0) + 1
        self.seconds += score.seconds

    def before(self, id: int) -> "Archive":
        """The proposals below this id with their scores."""
        earlier = Archive()
        for proposal in self.proposals[:id]:
            earlier.propose(proposal)
        for answered, score in self.scores.items():
            if answered < id:
                earlier.answer(answered, score)
        return earlier

    def frame(self) -> pd.DataFrame:
        """One row a scored proposal in order of id; objectives of failed ones are NaN."""
        rows = self.answered
        met = [n for n in OBJECTIVES if any(n in score.objectives for _, score in rows)]
        return pd.DataFrame(
            {
                "id": [p.id for p, _ in rows],
                "key": [p.key for p, _ in rows],
                "origin": [p.origin for p, _ in rows],
                "seen": [p.seen for p, _ in rows],
                "predicted": pd.Series([p.predicted for p, _ in rows], dtype=float),
                "status": [s.status for _, s in rows],
            }
            | {name: [s.objectives.get(name, float("nan")) for _, s in rows] for name in met or OBJECTIVES}
            | {
                "seconds": [s.seconds for _, s in rows],
                "correct": [s.correct for _, s in rows],
                "weights": [s.weights for _, s in rows],
                "protocol": [s.protocol for _, s in rows],
            }
        )
