"""Scores of sub-networks, read from the supernet by 1-bit execution."""

from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node
from evo_bnas.packed.calibrate import calibrate_packed, calibration_maps
from evo_bnas.packed.compile import compile_blueprint
from evo_bnas.packed.stem import stem, trunk
from evo_bnas.space.genes import Architecture

_MOST_BYTES = 1 << 29  # of maps of a stem that are kept


class _Stem(NamedTuple):
    """What every network of the space begins with, and the maps that it gives of the fixed images."""

    nodes: tuple[Node, ...]
    calibration: NDArray[np.float32]  # images, height, width, channels
    search: NDArray[np.float32]


class PackedEvaluator(SupernetEvaluator):
    """Scores by XNOR and popcount what `SupernetEvaluator` scores with torch; all is on the CPU.

    The two differ by rounding alone. It can flip a sign that stands on its threshold, and with it an image.
    Where all networks of the space have one stem, its maps are computed once, unless they are too large.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._stem = self._common_stem()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "stem": self._stem}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._stem = state["stem"]

    def _correct(self, architecture: Architecture) -> Tensor:
        blueprint = self.supernet.space.draw(architecture)
        calibration, (images, labels) = self.calibration.numpy(), self.search
        search = images.numpy()
        if self._stem is not None and stem(blueprint) == self._stem.nodes:
            blueprint, (_, *maps) = trunk(blueprint), self._stem
            calibration, search = (one.transpose(0, 3, 1, 2) for one in maps)
        return torch.from_numpy(self._logits(blueprint, calibration, search).argmax(axis=1)) == labels

    def _logits(
        self, blueprint: Blueprint, calibration: NDArray[np.float32], images: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What a network, or part of one, says of images once it is calibrated on others."""
        tensors_of = self.supernet.slices()
        batch, threads = self.protocol.batch, self.protocol.threads
        statistics = calibrate_packed(blueprint, tensors_of, calibration, batch, threads=threads)
        return compile_blueprint(blueprint, tensors_of, statistics).run(images, threads=threads)

    def _common_stem(self) -> _Stem | None:
        space = self.supernet.space
        nodes, others = (stem(space.draw(end)) for end in (space.smallest(), space.largest()))
        images = len(self.calibration) + len(self.search[0])
        if nodes != others or len(nodes) < 2 or 4 * images * prod(nodes[-1].shape) > _MOST_BYTES:
            return None
        blueprint, tensors_of = Blueprint(nodes), self.supernet.slices()
        calibration, search = self.calibration.numpy(), self.search[0].numpy()
        batch, threads = self.protocol.batch, self.protocol.threads
        first = calibration_maps(blueprint, tensors_of, calibration, batch, threads=threads)
        then = self._logits(blueprint, calibration, search).reshape(len(search), *nodes[-1].shape)
        return _Stem(nodes, *(np.ascontiguousarray(maps.transpose(0, 2, 3, 1)) for maps in (first, then)))
