"""Scores of networks that are trained alone: what a supernet's scores only estimate."""

import time
from collections.abc import Callable, Mapping, Sequence

import torch

from evo_bnas.archive.correct import pack_correct
from evo_bnas.archive.score import Score
from evo_bnas.binary.network import Network
from evo_bnas.data.dataset import Images
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.evaluate.supernet import classified, error_of
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.space.genes import Architecture, Space


class StandAlone:
    """Trains a network of its own for every architecture, then counts its errors on the search split.

    `train` gives the network trained and calibrated; the protocol, which it is told as well, names the
    training wherever it keeps checkpoints. The weights are not kept, so no score names them: its protocol
    covers, besides the conditions, the settings of the training as JSON values. Where `train` can be pickled,
    networks may be trained in other processes, with the threads and on the kind of device of the conditions.
    """

    def __init__(
        self,
        space: Space,
        train: Callable[[Architecture, str], Network],
        *,
        search: Images,
        protocol: EvaluationProtocol,
        training: Mapping[str, object],
    ) -> None:
        self._space = space
        self._train = train
        self._search = search
        self._protocol = protocol
        self.protocol_hash = protocol.stand_alone_hash(training)

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self._score(architecture) for architecture in architectures]

    def _score(self, architecture: Architecture) -> Score:
        started = time.perf_counter()
        torch.set_num_threads(self._protocol.threads)
        network = self._train(architecture, self.protocol_hash)
        search = self._search.to(torch.device(self._protocol.device))
        correct = classified(network, search, search.y, self._protocol.batch)
        return Score(
            "ok",
            {"error": error_of(correct), **exact_objectives(self._space.cost(architecture))},
            correct=pack_correct(correct.cpu().numpy()),
            seconds=time.perf_counter() - started,
            protocol=self.protocol_hash,
        )
