"""What the stages of a run return."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evo_bnas.network.card import Card
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from evo_bnas.search.surrogate_quality import SurrogateQuality


@dataclass(frozen=True, slots=True)
class TrainedSupernet:
    """Of `train`."""

    file: Path
    existed: bool  # trained by an earlier command


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """Of `search`."""

    reason: str  # why the search ended, a sentence
    rounds: Sequence[SurrogateQuality]  # quality of the surrogate; empty for explorers without one
    results: Results


@dataclass(frozen=True, slots=True)
class RetrainedNetworks:
    """Of `retrain`."""

    run: Run
    cards: Sequence[Card]
