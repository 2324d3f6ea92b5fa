"""Signs and standardised weights: values, surrogate gradients, and edge cases."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evo_bnas.binary.execute import Mode
from evo_bnas.binary.sign import STE, Approx, Gradient, Ste, Tanh, rsign, sign
from evo_bnas.binary.weights import effective, initial, standardise
from evo_bnas.network.node import Spec
from tests.support.maps import like, maps, vector

GRADIENTS: tuple[Gradient, ...] = (STE, Ste(1.5), Approx(), Tanh(0.01), Tanh(1.0), Tanh(10.0))
floats = st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=20)
gradients = pytest.mark.parametrize("gradient", GRADIENTS, ids=str)


def surrogate(x: Tensor, gradient: Gradient) -> Tensor:
    """The function whose derivative a paper uses for the sign."""
    if isinstance(gradient, Ste):
        return x.clamp(-gradient.clip, gradient.clip)
    if isinstance(gradient, Approx):
        return torch.where(x.abs() < 1, 2 * x - x * x.abs(), x.sign())
    return max(1 / gradient.t, 1) * torch.tanh(gradient.t * x)


def gradient_of_sign(values: list[float], gradient: Gradient) -> Tensor:
    x = torch.tensor(values, requires_grad=True)
    # An incoming gradient that differs from entry to entry.
    incoming = torch.arange(1.0, len(values) + 1)
    (sign(x, gradient) * incoming).sum().backward()
    assert x.grad is not None
    return x.grad / incoming


@gradients
@given(floats)
def test_a_sign_has_two_values(gradient: Gradient, values: list[float]) -> None:
    expected = [1.0 if value >= 0 else -1.0 for value in values]
    assert sign(torch.tensor(values), gradient).tolist() == expected


@gradients
def test_the_sign_of_zero_is_one(gradient: Gradient) -> None:
    tiny = torch.finfo(torch.float32).smallest_normal
    x = torch.tensor([0.0, -0.0, tiny, -tiny, 1e-45, -1e-45, torch.inf, -torch.inf])
    assert sign(x, gradient).tolist() == [1, 1, 1, -1, 1, -1, 1, -1]


@gradients
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_a_sign_keeps_type_and_shape(gradient: Gradient, kind: torch.dtype) -> None:
    x = torch.randn(2, 3, 4, dtype=kind)
    assert sign(x, gradient).dtype == kind
    assert sign(x, gradient).shape == x.shape


@given(floats)
def test_straight_through_passes_gradients_of_inputs_up_to_1(values: list[float]) -> None:
    expected = [1.0 if abs(value) <= 1 else 0.0 for value in values]
    assert gradient_of_sign(values, STE).tolist() == expected


@given(floats)
def test_the_gradient_of_approx_sign_falls_linearly_on_both_sides(values: list[float]) -> None:
    expected = torch.tensor([max(2 - 2 * abs(value), 0.0) for value in values])
    torch.testing.assert_close(gradient_of_sign(values, Approx()), expected)


@given(floats, st.floats(0.01, 10))
def test_the_gradient_of_tanh_is_largest_at_0(values: list[float], t: float) -> None:
    assert gradient_of_sign([0.0], Tanh(t)).item() == pytest.approx(max(1.0, t))
    assert gradient_of_sign(values, Tanh(t)).max() <= max(1.0, t) * (1 + 1e-6)


@gradients
@given(maps())
def test_the_gradient_equals_that_of_the_surrogate(gradient: Gradient, x: Tensor) -> None:
    incoming, shift = like(x), vector(x, 1)
    x.requires_grad_()
    expected = torch.autograd.grad(surrogate(x + shift[:, None, None], gradient), (x, shift), incoming)
    torch.testing.assert_close(torch.autograd.grad(rsign(x, shift, gradient), (x, shift), incoming), expected)
    (alone,) = torch.autograd.grad(surrogate(x, gradient), x, incoming)
    torch.testing.assert_close(torch.autograd.grad(sign(x, gradient), x, incoming)[0], alone)


def test_only_required_gradients_are_computed() -> None:
    x, shift = torch.randn(2, 3, 4, 5), torch.randn(3)
    (alone,) = torch.autograd.grad(rsign(x, shift.requires_grad_(), STE).sum(), shift)
    (maps_alone,) = torch.autograd.grad(rsign(x.requires_grad_(), shift.detach(), STE).sum(), x)
    torch.testing.assert_close(maps_alone.sum((0, 2, 3)), alone)
    assert not rsign(x.detach(), shift.detach(), STE).requires_grad


@gradients
def test_only_the_input_map_is_saved_for_the_gradient(gradient: Gradient) -> None:
    x, shift = torch.randn(2, 3, 4, 5, requires_grad=True), torch.randn(3, requires_grad=True)
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        rsign(x, shift, gradient)
    assert set(kept) <= {x.data_ptr(), shift.data_ptr()}


def test_a_float32_shift_keeps_the_type_of_the_maps() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.bfloat16, requires_grad=True)
    shift = torch.randn(3, requires_grad=True)
    y = rsign(x, shift, Approx())
    y.sum().backward()
    assert x.grad is not None
    assert shift.grad is not None
    assert (y.dtype, x.grad.dtype, shift.grad.dtype) == (torch.bfloat16, torch.bfloat16, torch.float32)


def test_a_mode_sets_the_gradients_of_activations_and_weights() -> None:
    assert Mode(sign_gradient="approx").activation_gradient == Approx()
    assert Mode(sign_gradient="ste", clip=1.5).activation_gradient == Ste(1.5)
    assert Mode(sign_gradient="tanh", t=3.0).activation_gradient == Tanh(3.0)
    assert Mode(sign_gradient="tanh", t=3.0).weight_gradient == Tanh(3.0)
    assert Mode(sign_gradient="approx").weight_gradient == STE
    assert Mode(sign_gradient="ste", clip=1.5).weight_gradient == STE


@given(st.integers(1, 5), st.integers(2, 8), st.sampled_from([1, 3, 5]), st.integers(0, 2**31))
def test_standardised_filters_have_zero_mean_and_unit_deviation(
    channels: int, cin: int, kernel: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(channels, cin, kernel, kernel, generator=generator) * 3 + 1
    filters = standardise(latent).flatten(1)
    assert filters.mean(1).abs().max() < 1e-4
    # The eps matters if all weights of a small filter happen to be close.
    variance = latent.flatten(1).var(1, correction=0)
    torch.testing.assert_close(filters.var(1, correction=0), variance / (variance + 1e-10))


@given(
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from([1, 3]),
    st.sampled_from([2, 4]),
    st.integers(0, 2**31),
)
def test_the_gradient_of_standardised_filters_equals_that_of_the_formula(
    channels: int, cin: int, kernel: int, dim: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (channels, cin, kernel, kernel)[:dim]
    latent = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    incoming = torch.randn(shape, generator=generator, dtype=torch.float64)
    dims = tuple(range(1, dim))
    variance, mean = torch.var_mean(latent, dims, correction=0, keepdim=True)
    plain = (latent - mean) / (variance + 1e-10).sqrt()
    torch.testing.assert_close(standardise(latent), plain)
    (expected,) = torch.autograd.grad(plain, latent, incoming)
    (result,) = torch.autograd.grad(standardise(latent), latent, incoming)
    # A filter of one weight has no deviation, so rounding errors are divided by eps.
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "latent",
    [torch.full((2, 1, 1, 1), 0.3), torch.full((2, 4, 3, 3), -7.0), torch.zeros(1, 2, 1, 1)],
    ids=["one weight", "constant", "zero"],
)
def test_a_filter_without_deviation_gives_finite_values(latent: torch.Tensor) -> None:
    latent = latent.clone().requires_grad_()
    standard = standardise(latent)
    assert standard.isfinite().all()
    (standard * torch.arange(latent.numel()).view_as(latent)).sum().backward()
    assert latent.grad is not None
    assert latent.grad.isfinite().all()
    binary = effective(latent, 1, "binary")
    assert set(binary.flatten().tolist()) <= {-1.0, 1.0}


def test_effective_weights_are_binary_standardised_or_unchanged() -> None:
    latent = torch.randn(4, 3, 3, 3)
    assert set(effective(latent, 1, "binary").flatten().tolist()) == {-1.0, 1.0}
    assert torch.equal(effective(latent, 1, "real"), standardise(latent))
    assert torch.equal(effective(latent, 1, "binary"), sign(standardise(latent)))
    assert effective(latent, 32, "binary") is latent


def test_the_role_of_a_tensor_sets_its_initial_values() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = initial(Spec("weight", (8, 4, 3, 3), 1, "weight"), generator)
    assert 0.9 / 6 < weight.abs().max() <= 1 / 6
    for role, value in (("gain", 1), ("scale", 1), ("slope", 0.25), ("bias", 0), ("shift", 0)):
        assert initial(Spec("x", (5,), 32, role), generator).tolist() == [value] * 5  # type: ignore[arg-type]
