"""Which images a network classifies correctly, as text."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evo_bnas.archive.correct import pack_correct, unpack_correct


@given(arrays(bool, st.integers(0, 40)))
def test_correctness_bits_survive_packing(correct: np.ndarray) -> None:
    bits = unpack_correct(pack_correct(correct))
    assert (bits[: len(correct)] == correct).all()
    assert not bits[len(correct) :].any()
    assert len(bits) - len(correct) < 8
