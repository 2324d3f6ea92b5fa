"""Signs and standardised weights: two values, the papers' gradients, and filters at their limits."""

from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.binary.sign import SignGradient, sign
from evo_bnas.binary.weights import effective, initial, standardise
from evo_bnas.blueprint import Spec

floats = st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=20)
gradients = pytest.mark.parametrize("gradient", get_args(SignGradient))


def gradient_of_sign(values: list[float], gradient: SignGradient) -> torch.Tensor:
    x = torch.tensor(values, requires_grad=True)
    # A gradient from behind that differs from entry to entry.
    behind = torch.arange(1.0, len(values) + 1)
    (sign(x, gradient) * behind).sum().backward()
    assert x.grad is not None
    return x.grad / behind


@gradients
@given(floats)
def test_a_sign_has_two_values(gradient: SignGradient, values: list[float]) -> None:
    expected = [1.0 if value >= 0 else -1.0 for value in values]
    assert sign(torch.tensor(values), gradient).tolist() == expected


@gradients
def test_the_sign_of_zero_is_one(gradient: SignGradient) -> None:
    tiny = torch.finfo(torch.float32).smallest_normal
    x = torch.tensor([0.0, -0.0, tiny, -tiny, 1e-45, -1e-45, torch.inf, -torch.inf])
    assert sign(x, gradient).tolist() == [1, 1, 1, -1, 1, -1, 1, -1]


@gradients
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_a_sign_keeps_type_and_shape(gradient: SignGradient, kind: torch.dtype) -> None:
    x = torch.randn(2, 3, 4, dtype=kind)
    assert sign(x, gradient).dtype == kind
    assert sign(x, gradient).shape == x.shape


@given(floats)
def test_straight_through_passes_where_the_input_is_at_most_one(values: list[float]) -> None:
    expected = [1.0 if abs(value) <= 1 else 0.0 for value in values]
    assert gradient_of_sign(values, "ste").tolist() == expected


@given(floats)
def test_approx_sign_falls_off_to_both_sides(values: list[float]) -> None:
    expected = torch.tensor([max(2 - 2 * abs(value), 0.0) for value in values])
    torch.testing.assert_close(gradient_of_sign(values, "approx"), expected)


def test_an_unknown_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown sign gradient 'tanh'; choose from"):
        sign(torch.zeros(1), "tanh")  # type: ignore[arg-type]


@given(st.integers(1, 5), st.integers(2, 8), st.sampled_from([1, 3, 5]), st.integers(0, 2**31))
def test_standardised_filters_have_zero_mean_and_unit_deviation(
    channels: int, cin: int, kernel: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(channels, cin, kernel, kernel, generator=generator) * 3 + 1
    filters = standardise(latent).flatten(1)
    assert filters.mean(1).abs().max() < 1e-4
    # The eps is felt where all weights of a small filter happen to be close.
    variance = latent.flatten(1).var(1, correction=0)
    torch.testing.assert_close(filters.var(1, correction=0), variance / (variance + 1e-10))


@pytest.mark.parametrize(
    "latent",
    [torch.full((2, 1, 1, 1), 0.3), torch.full((2, 4, 3, 3), -7.0), torch.zeros(1, 2, 1, 1)],
    ids=["one weight", "constant", "zero"],
)
def test_a_filter_without_deviation_stays_finite(latent: torch.Tensor) -> None:
    latent = latent.clone().requires_grad_()
    standard = standardise(latent)
    assert standard.isfinite().all()
    (standard * torch.arange(latent.numel()).view_as(latent)).sum().backward()
    assert latent.grad is not None
    assert latent.grad.isfinite().all()
    binary = effective(latent, 1, "binary")
    assert set(binary.flatten().tolist()) <= {-1.0, 1.0}


def test_weights_are_binary_real_or_left_alone() -> None:
    latent = torch.randn(4, 3, 3, 3)
    assert set(effective(latent, 1, "binary").flatten().tolist()) == {-1.0, 1.0}
    assert torch.equal(effective(latent, 1, "real"), standardise(latent))
    assert torch.equal(effective(latent, 1, "binary"), sign(standardise(latent)))
    assert effective(latent, 32, "binary") is latent


def test_new_tensors_are_drawn_by_role() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = initial(Spec("weight", (8, 4, 3, 3), 1, "weight"), generator)
    assert 0.9 / 6 < weight.abs().max() <= 1 / 6
    for role, value in (("gain", 1), ("scale", 1), ("slope", 0.25), ("bias", 0), ("shift", 0)):
        assert initial(Spec("x", (5,), 32, role), generator).tolist() == [value] * 5  # type: ignore[arg-type]
