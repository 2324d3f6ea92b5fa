"""Which images a network classifies correctly, one bit per image, for paired comparisons."""

import numpy as np


def pack_correct(correct: np.ndarray) -> str:
    """One bit per image (n,), true if it is classified correctly, as hexadecimal text."""
    return np.packbits(np.asarray(correct, dtype=bool)).tobytes().hex()


def unpack_correct(text: str) -> np.ndarray:
    """The inverse of `pack_correct`, padded with false to whole bytes."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8)).astype(bool)
