"""Scores of sub-networks, read from the supernet by 1-bit execution."""

import torch
from torch import Tensor

from evo_bnas.evaluate.evaluators import SupernetEvaluator
from evo_bnas.packed.calibrate import calibrate_packed
from evo_bnas.packed.compile import compile_blueprint
from evo_bnas.space.genes import Architecture


class PackedEvaluator(SupernetEvaluator):
    """Scores by XNOR and popcount what `SupernetEvaluator` scores with torch; all is on the CPU.

    The two differ by rounding alone. It can flip a sign that stands on its threshold, and with it an image.
    """

    def _correct(self, architecture: Architecture) -> Tensor:
        blueprint = self.supernet.space.draw(architecture)
        tensors_of = self.supernet.slices()
        batch, threads = self.conditions.batch, self.conditions.threads
        statistics = calibrate_packed(blueprint, tensors_of, self.calibration.numpy(), batch, threads=threads)
        program = compile_blueprint(blueprint, tensors_of, statistics)
        logits = program.run(self.search.x.numpy(), threads=threads)
        return torch.from_numpy(logits.argmax(axis=1)) == self.search.y
