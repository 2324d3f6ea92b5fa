"""Frames of scored networks, as `Results.frame` returns them."""

import numpy as np
import pandas as pd

from evo_bnas.archive.correct import pack_correct

Row = tuple[str, float, float]  # key, error, ops

IMAGES = 400


def scored(*rows: Row, bits: bool = False, deviation: float = 0.0) -> pd.DataFrame:
    """Networks by key, error and ops; with bits, each is wrong on the last images of a common order.

    They are expected to be as accurate as measured, with this deviation.
    """
    correct = [np.arange(IMAGES) < round((1 - error) * IMAGES) for _, error, _ in rows]
    return pd.DataFrame(
        {
            "id": range(len(rows)),
            "key": [key for key, _, _ in rows],
            "status": "ok",
            "error": [error for _, error, _ in rows],
            "ops": [ops for _, _, ops in rows],
            "params": [ops / 2 for _, _, ops in rows],
            "size_bits": [ops * 8 for _, _, ops in rows],
            "correct": [pack_correct(c) if bits else "" for c in correct],
            "expected": [error for _, error, _ in rows],
            "deviation": deviation,
        }
    )


THREE: tuple[Row, ...] = (("small", 0.0525, 6_208), ("middle", 0.0500, 20_000), ("large", 0.0475, 90_000))
