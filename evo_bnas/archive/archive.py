"""The archive of a search: its proposals and their scores."""

from dataclasses import dataclass
from itertools import islice

import pandas as pd

from evo_bnas.archive.score import Score
from evo_bnas.network.objectives import OBJECTIVES
from evo_bnas.space.genes import Architecture

WARM_START = "warm start"  # origin of a proposal whose score was copied from an earlier run


@dataclass(frozen=True, slots=True)
class Proposal:
    """An architecture to be scored."""

    id: int  # 0, 1, 2, … in order of proposal
    architecture: Architecture
    origin: str  # the rule that produced it: "start", "mating", "predicted", …
    seen: int  # number of scores that the explorer knew
    predicted: float | None = None  # by a surrogate; lower is better

    @property
    def key(self) -> str:
        """The text of its architecture."""
        return self.architecture.key


class Archive:
    """Proposals in order of id, and the last score of each in order of arrival."""

    def __init__(self) -> None:
        self.proposals: list[Proposal] = []
        self.scores: dict[int, Score] = {}  # by id
        self.attempts: dict[int, int] = {}  # number of scores that arrived for an id, failed ones included
        self.architectures: set[Architecture] = set()  # of all proposals
        self.seconds = 0.0  # of evaluation, all attempts
        self.charged = 0  # proposals charged to the budget: all except those of a warm start

    @property
    def pending(self) -> list[Proposal]:
        """Proposals without a score, in order of id."""
        return [proposal for proposal in self.proposals if proposal.id not in self.scores]

    @property
    def evaluated(self) -> list[tuple[Proposal, Score]]:
        """Proposals with their scores, failed ones included, in order of id."""
        return [(p, self.scores[p.id]) for p in self.proposals if p.id in self.scores]

    @property
    def scored(self) -> list[tuple[Proposal, Score]]:
        """Proposals with successful scores, in order of id."""
        return [(proposal, score) for proposal, score in self.evaluated if score.status == "ok"]

    def due(self, max_attempts: int) -> list[Proposal]:
        """Proposals to evaluate: the pending in order of id, then failed ones with attempts left."""
        retries = (
            self.proposals[id]
            for id, score in self.scores.items()
            if score.status == "failed" and self.attempts[id] < max_attempts
        )
        return [*self.pending, *retries]

    def remaining(self, evaluations: int, max_attempts: int) -> int:
        """Number of evaluations to make until a budget is used up and nothing is due."""
        return max(evaluations - self.charged, 0) + len(self.due(max_attempts))

    def add_proposal(self, proposal: Proposal) -> None:
        """Add a proposal; raises ValueError unless its id is the next one and its architecture is new."""
        if proposal.id != len(self.proposals):
            raise ValueError(f"proposal {proposal.id} is out of order; the next is {len(self.proposals)}")
        if proposal.architecture in self.architectures:
            raise ValueError(f"proposal {proposal.id}: {proposal.key} was proposed before")
        self.proposals.append(proposal)
        self.architectures.add(proposal.architecture)
        self.charged += proposal.origin != WARM_START

    def add_score(self, id: int, score: Score) -> None:
        """Add the score of a proposal; raises ValueError if there is no such proposal or it succeeded."""
        if not 0 <= id < len(self.proposals):
            raise ValueError(f"score for {id}, which was never proposed")
        if id in self.scores and self.scores[id].status == "ok":
            raise ValueError(f"second score for {id}, which did not fail")
        self.scores.pop(id, None)  # the order is that of arrival, and a retry arrives later
        self.scores[id] = score
        self.attempts[id] = self.attempts.get(id, 0) + 1
        self.seconds += score.seconds

    def until(self, id: int, scores: int) -> "Archive":
        """The archive before the proposal of this id was made, with the first `scores` scores.

        A retried score counts at the place of its last attempt.
        """
        earlier = Archive()
        for proposal in self.proposals[:id]:
            earlier.add_proposal(proposal)
        for scored, score in islice(self.scores.items(), scores):
            if scored < id:
                earlier.add_score(scored, score)
        return earlier

    def frame(self) -> pd.DataFrame:
        """One row for each evaluated proposal, in order of id; objectives of failed ones are NaN."""
        rows = self.evaluated
        measured = [name for name in OBJECTIVES if any(name in score.objectives for _, score in rows)]
        return pd.DataFrame(
            {
                "id": [p.id for p, _ in rows],
                "key": [p.key for p, _ in rows],
                "origin": [p.origin for p, _ in rows],
                "seen": [p.seen for p, _ in rows],
                "predicted": pd.Series([p.predicted for p, _ in rows], dtype=float),
                "status": [s.status for _, s in rows],
            }
            | {
                name: [s.objectives.get(name, float("nan")) for _, s in rows]
                for name in measured or OBJECTIVES
            }
            | {
                "seconds": [s.seconds for _, s in rows],
                "correct": [s.correct for _, s in rows],
                "weights": [s.weights for _, s in rows],
                "protocol": [s.protocol for _, s in rows],
            }
        )
