"""Scores of networks that are trained alone: what a supernet's scores only estimate."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256

from evo_bnas.binary.network import Network
from evo_bnas.data import Images
from evo_bnas.evaluate.evaluators import Conditions, classified, error_of
from evo_bnas.results.pick import pack_correct
from evo_bnas.score import Score, exact_objectives
from evo_bnas.space.genes import Architecture, Space


class StandAlone:
    """Trains a network of its own for every architecture, then counts its errors on the search split.

    `train` gives the network trained and calibrated. The weights are not kept, so no score names them: its
    protocol covers, besides the conditions, the settings of the training as JSON values.
    """

    def __init__(
        self,
        space: Space,
        train: Callable[[Architecture], Network],
        *,
        search: Images,
        conditions: Conditions,
        training: Mapping[str, object],
    ) -> None:
        self._space = space
        self._train = train
        self._search = search
        self._batch = conditions.batch
        self.protocol = protocol(conditions, training)

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self._score(architecture) for architecture in architectures]

    def _score(self, architecture: Architecture) -> Score:
        started = time.perf_counter()
        correct = classified(self._train(architecture), self._search, self._batch)
        return Score(
            "ok",
            {"error": error_of(correct), **exact_objectives(self._space.cost(architecture))},
            correct=pack_correct(correct.cpu().numpy()),
            seconds=time.perf_counter() - started,
            protocol=self.protocol,
        )


def protocol(conditions: Conditions, training: Mapping[str, object]) -> str:
    """The protocol hash of a stand-alone score."""
    text = json.dumps({"conditions": asdict(conditions), "training": dict(training)}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]
