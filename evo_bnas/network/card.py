"""The network card: a file that describes a trained network, its cost, its training and its accuracy."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import write_bytes
from evo_bnas.files.yaml_file import Settings, validate
from evo_bnas.network.cost import Cost
from evo_bnas.network.objectives import exact_objectives

FILE = "card.json"
WEIGHTS = "network.safetensors"


def cost_values(cost: Cost) -> dict[str, Any]:
    """A cost as JSON values: every exact objective, the number of 1-bit and of real weights, the layers."""
    return {
        **exact_objectives(cost),
        "binary_params": cost.binary_params,
        "real_params": cost.real_params,
        "layers": [asdict(layer) | {"ops": layer.ops} for layer in cost.layers],
    }


class DataCard(Settings):
    """The data set of a trained network, as far as its input and output depend on it."""

    name: str
    image: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]
    mean: tuple[float, ...]  # of the raw pixels of the train split, per channel
    std: tuple[float, ...]
    white: int  # the largest value of a raw pixel
    skipped: int  # images that could not be read
    fingerprint: str
    images: dict[str, int]  # number in each split


class Card(Settings):
    """A trained network; errors are fractions."""

    key: str
    space: str
    test_error: float  # of these weights
    test_errors: tuple[
        float, ...
    ] = ()  # of every training, by rising seed; the first is that of these weights
    inherited_test_error: float | None  # with the weights of the supernet, before retraining
    supernet_search_error: float | None  # from the search; None if the search did not score the network
    weights: str  # fingerprint of the weights file
    recipe: str  # its hash
    retrain: dict[str, Any]  # that section of the recipe
    seed: int
    data: DataCard
    cost: dict[str, Any]  # `cost_values`
    blueprint: list[dict[str, Any]]

    def write(self, path: Path) -> None:
        """Write the card atomically."""
        write_bytes(path, (self.model_dump_json(indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> "Card":
        """The card in a file; raises UsageError if it is missing or damaged."""
        try:
            # As JSON: YAML would read 5e-6 as text.
            return validate(cls, json.loads(path.read_text(encoding="utf-8")), str(path))
        except OSError as failure:
            raise UsageError(f"{path}: cannot be read: {failure.strerror}; train the network again") from None
        except (UsageError, ValueError) as failure:
            problem = failure if isinstance(failure, UsageError) else f"{path}: is not JSON"
            raise UsageError(f"{problem}; delete {path} to train again") from None
