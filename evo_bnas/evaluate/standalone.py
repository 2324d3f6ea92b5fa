"""Scores of networks that are trained on their own; scores from a supernet only estimate these."""

import time
from collections.abc import Callable, Mapping, Sequence

import torch

from evo_bnas.archive.correct import pack_correct
from evo_bnas.archive.score import Score
from evo_bnas.binary.network import Network
from evo_bnas.data.dataset import Images
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.evaluate.supernet import correctly_classified, error_of
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.space.genes import Architecture, Space


class StandaloneEvaluator:
    """Trains a new network for every architecture and measures its error on the search split.

    `train` takes an architecture and the protocol hash, by which it may name its checkpoints, and returns the
    network, trained and calibrated. Its weights are not kept, so scores name none; instead their protocol
    includes the settings of the training (JSON values). If `train` can be pickled, other processes can
    evaluate, with the threads and the kind of device of the protocol.
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
        self.protocol_hash = protocol.standalone_hash(training)

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self.score(architecture) for architecture in architectures]

    def score(self, architecture: Architecture) -> Score:
        """The score of one architecture."""
        started = time.perf_counter()
        torch.set_num_threads(self._protocol.threads)
        network = self._train(architecture, self.protocol_hash)
        search = self._search.to(torch.device(self._protocol.device))
        correct = correctly_classified(network, search, search.y, self._protocol.batch)
        return Score(
            "ok",
            {"error": error_of(correct), **exact_objectives(self._space.cost(architecture))},
            correct=pack_correct(correct.cpu().numpy()),
            seconds=time.perf_counter() - started,
            protocol=self.protocol_hash,
        )
