"""Scores of sub-networks, read from the supernet by 1-bit execution on the CPU."""

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

MAX_STEM_BYTES = 1 << 29  # of the outputs of a common stem; larger ones are not kept


class _CommonStem(NamedTuple):
    """The stem that all networks of a space share, and its outputs for the calibration and search images."""

    nodes: tuple[Node, ...]
    calibration: NDArray[np.float32]  # images, height, width, channels
    search: NDArray[np.float32]


class PackedEvaluator(SupernetEvaluator):
    """Scores like `SupernetEvaluator`, but by XNOR and popcount instead of torch, on the CPU.

    The two differ by rounding only, which may flip a sign that is close to its threshold, and so the class of
    an image.

    The layers before the first binary convolution, the stem, have real weights and are slow. If all networks
    of the space share the same stem, its outputs for the calibration and search images are computed once and
    kept, and an evaluation runs only the layers after it; unless they need more than `MAX_STEM_BYTES`.
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
            blueprint, (_, *outputs) = trunk(blueprint), self._stem
            calibration, search = (maps.transpose(0, 3, 1, 2) for maps in outputs)
        return torch.from_numpy(self._logits(blueprint, calibration, search).argmax(axis=1)) == labels

    def _logits(
        self, blueprint: Blueprint, calibration: NDArray[np.float32], images: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The outputs of a network, or of a part of one, after it is calibrated on other images."""
        tensors_of = self.supernet.slices()
        batch, threads = self.protocol.batch, self.protocol.threads
        statistics = calibrate_packed(blueprint, tensors_of, calibration, batch, threads=threads)
        return compile_blueprint(blueprint, tensors_of, statistics).run(images, threads=threads)

    def _common_stem(self) -> _CommonStem | None:
        """The stem that all networks share, with its outputs; None if there is none, or if it is too large.

        It is taken to be shared if the smallest and the largest network have it; each evaluation then checks
        that its network has it.
        """
        space = self.supernet.space
        nodes, others = (stem(space.draw(end)) for end in (space.smallest(), space.largest()))
        images = len(self.calibration) + len(self.search[0])
        if nodes != others or len(nodes) < 2 or 4 * images * prod(nodes[-1].shape) > MAX_STEM_BYTES:
            return None
        blueprint, tensors_of = Blueprint(nodes), self.supernet.slices()
        calibration, search = self.calibration.numpy(), self.search[0].numpy()
        batch, threads = self.protocol.batch, self.protocol.threads
        of_calibration = calibration_maps(blueprint, tensors_of, calibration, batch, threads=threads)
        of_search = self._logits(blueprint, calibration, search).reshape(len(search), *nodes[-1].shape)
        channels_last = (
            np.ascontiguousarray(maps.transpose(0, 2, 3, 1)) for maps in (of_calibration, of_search)
        )
        return _CommonStem(nodes, *channels_last)
