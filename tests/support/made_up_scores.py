"""Journals of made-up errors, for runs that train nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evo_bnas.archive.archive import Proposal
from evo_bnas.archive.correct import pack_correct
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.run.folder import Run
from evo_bnas.space.genes import Architecture


def networks(run: Run, number: int) -> list[Architecture]:
    """Different networks of a run's space."""
    rng = np.random.default_rng(0)
    drawn: dict[Architecture, None] = {}
    while len(drawn) < number:
        drawn[run.space.sample(rng)] = None
    return list(drawn)


def write_journal(
    file: Path, run: Run, architectures: Sequence[Architecture], errors: Sequence[float]
) -> None:
    """A journal with these errors; which of the search images are wrong is random."""
    images = run.environment.images["search"]
    file.parent.mkdir(parents=True, exist_ok=True)
    with Journal(file, run.space) as journal:
        proposals = [Proposal(id, one, "start", seen=0) for id, one in enumerate(architectures)]
        journal.add_proposals(proposals)
        for id, error in enumerate(errors):
            wrong = round(error * images)
            correct = np.random.default_rng(id).permutation(images) >= wrong
            objectives = {"error": wrong / images, **run.space.costs(architectures[id])}
            journal.add_scores([(id, Score("ok", objectives, correct=pack_correct(correct)))])
