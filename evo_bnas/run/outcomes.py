"""What the stages of a run return."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

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
    warnings: Sequence[str]  # sentences that name what is wrong and the way out


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Of `confirm`."""

    results: Results
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class RetrainedNetworks:
    """Of `retrain`."""

    run: Run
    cards: Sequence[Card]
    trained: pd.DataFrame  # all retrained networks of the run, as `trained_networks` returns them
