"""The network card: what a trained network is, what it costs, how it was made, how accurate it is."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import write_bytes
from evo_bnas.files.yaml_file import Settings, read, validate
from evo_bnas.network.cost import Cost

FILE = "card.json"
WEIGHTS = "network.safetensors"


class CostCard(Settings):
    """A cost as JSON values: totals, and one row per layer."""

    ops: float | int
    bops: int
    flops: float | int
    params: int
    binary_params: int
    real_params: int
    size_bits: int
    peak_activation_bytes: int
    layers: list[dict[str, Any]]

    @classmethod
    def of(cls, cost: Cost) -> "CostCard":
        """The card of a cost."""
        totals = {name: getattr(cost, name) for name in cls.model_fields if name != "layers"}
        return cls(**totals, layers=[asdict(layer) | {"ops": layer.ops} for layer in cost.layers])


class DataCard(Settings):
    """The data set of a trained network: what is needed to feed it."""

    name: str
    image: tuple[int, int, int]  # channels, height, width
    classes: tuple[str, ...]
    mean: tuple[float, ...]  # of the raw pixels of the train part, per channel
    std: tuple[float, ...]
    white: int  # the largest value of a raw pixel
    skipped: int  # images that could not be read
    fingerprint: str
    images: dict[str, int]  # in each part


class Card(Settings):
    """A trained network; errors are fractions."""

    key: str
    space: str
    test_error: float
    inherited_test_error: float | None  # before retraining, with the weights of the supernet
    supernet_search_error: float | None  # as scored in the search; None if the search did not score it
    weights: str  # fingerprint of the weights file
    recipe: str  # hash
    retrain: dict[str, Any]  # the recipe's section
    seed: int
    data: DataCard
    cost: CostCard
    blueprint: list[dict[str, Any]]

    def write(self, path: Path) -> None:
        """Write the card atomically."""
        write_bytes(path, (self.model_dump_json(indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> "Card":
        """The card in a file; raises UsageError if it is missing or damaged."""
        try:
            return validate(cls, read(path), str(path))
        except UsageError as failure:
            raise UsageError(f"{failure}; delete {path} to train again") from None
