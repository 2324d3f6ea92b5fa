"""Contestants must compute the same before they are timed."""

import pytest
import torch

from analysis.interpreter_overhead import check_same


def test_contestants_that_differ_are_not_compared() -> None:
    outputs = {"hand-written": torch.ones(4, 3), "Network": torch.zeros(4, 3)}
    with pytest.raises(AssertionError, match="Network"):
        check_same(outputs, 1e-3)


def test_an_image_whose_sign_flipped_is_tolerated() -> None:
    reference = torch.ones(40, 3)
    output = reference.clone()
    output[0] = 2
    check_same({"hand-written": reference, "Network": output}, 1e-3)
