"""Which images were classified correctly, one bit per image, for paired comparisons."""

import numpy as np


def pack_correct(correct: np.ndarray) -> str:
    """One bit an image, true where it was classified correctly, as hexadecimal text."""
    return np.packbits(np.asarray(correct, dtype=bool)).tobytes().hex()


def unpack_correct(text: str) -> np.ndarray:
    """The inverse of `pack_correct`, filled up with false to whole bytes."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8)).astype(bool)
