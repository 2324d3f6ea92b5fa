"""Made-up errors, and a space of 40 genes: searches of realistic size without a network in them."""

import numpy as np

from evo_bnas.space.chain import ChainSpace
from evo_bnas.space.chain_definition import ChainDefinition
from evo_bnas.space.genes import Architecture, GeneSpace

OBJECTIVES = ("error", "ops", "params")

_BLOCK = {"groups": [1, 2, 4], "kernel": [3, 5]}
SPACE = ChainSpace(
    "forty",
    ChainDefinition.model_validate(
        {
            "family": "chain",
            "block": "react",
            "image": [3, 32, 32],
            "classes": 10,
            "stem": {"channels": 16},
            "stages": [
                {"channels": 16 * width, "blocks": 5, "stride": stride, "each": _BLOCK}
                for width, stride in ((1, 1), (2, 2), (4, 2), (8, 2))
            ],
        }
    ),
)


class MadeUpErrors:
    """Separable errors of the networks of a space: every gene adds its part."""

    def __init__(self, space: GeneSpace) -> None:
        self._losses = [
            np.random.default_rng(gene).random(options) for gene, options in enumerate(space.sizes)
        ]

    def __call__(self, architecture: Architecture) -> float:
        parts = [loss[option] for loss, option in zip(self._losses, architecture.genes, strict=True)]
        return float(0.2 + 0.4 * np.mean(parts))
