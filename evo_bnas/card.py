"""The network card: what a trained network is, what it costs, how it was made, how good it is."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evo_bnas.cost import Cost
from evo_bnas.durable import write_bytes
from evo_bnas.errors import UsageError

FILE = "card.json"
WEIGHTS = "network.safetensors"

Card = dict[str, Any]


def cost_rows(counted: Cost) -> dict[str, Any]:
    """A cost as JSON values: totals at the top level, the per-layer table under `layers`."""
    return {
        "ops": counted.ops,
        "bops": counted.bops,
        "flops": counted.flops,
        "params": counted.params,
        "binary_params": counted.binary_params,
        "real_params": counted.real_params,
        "size_bits": counted.size_bits,
        "peak_activation_bytes": counted.peak_activation_bytes,
        "layers": [asdict(layer) | {"ops": layer.ops} for layer in counted.layers],
    }


def write(path: Path, card: Card) -> None:
    """Write a card, whole or not at all."""
    write_bytes(path, (json.dumps(card, indent=1) + "\n").encode())


def read(path: Path) -> Card:
    """The card in a file; raises UsageError where there is none or it is damaged."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise UsageError(f"{path}: is no network card: {failure}; delete it to train anew") from None
    if not isinstance(card, dict) or "key" not in card:
        raise UsageError(f"{path}: is no network card; delete it to train anew")
    return card
