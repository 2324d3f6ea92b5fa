"""PReLU and RPReLU: bit equality with torch, and the gradients of the composition of torch functions."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evo_bnas.binary.prelu import prelu, rprelu
from tests.support.maps import GpuAutocast, like, maps, vector


def composed(x: Tensor, slope: Tensor, shift_in: Tensor, shift_out: Tensor) -> Tensor:
    return F.prelu(x + shift_in[:, None, None], slope) + shift_out[:, None, None]


@given(maps(torch.float32))
def test_values_equal_those_of_torch_bit_for_bit(x: Tensor) -> None:
    slope, shift_in, shift_out = (vector(x, seed).detach() for seed in range(3))
    assert torch.equal(prelu(x, slope), F.prelu(x, slope))
    assert torch.equal(rprelu(x, slope, shift_in, shift_out), composed(x, slope, shift_in, shift_out))


@given(maps())
def test_gradients_equal_those_of_the_composition(x: Tensor) -> None:
    incoming = like(x)
    inputs = (x.requires_grad_(), *(vector(x, seed) for seed in range(3)))
    expected = torch.autograd.grad(composed(*inputs), inputs, incoming)
    torch.testing.assert_close(torch.autograd.grad(rprelu(*inputs), inputs, incoming), expected)
    plain = torch.autograd.grad(F.prelu(*inputs[:2]), inputs[:2], incoming)
    torch.testing.assert_close(torch.autograd.grad(prelu(*inputs[:2]), inputs[:2], incoming), plain)


@given(maps(), st.lists(st.booleans(), min_size=4, max_size=4).filter(any))
@settings(max_examples=40)
def test_required_gradients_are_numerically_right(x: Tensor, needs: list[bool]) -> None:
    # Stay away from 0, where the slope changes and a difference quotient is wrong.
    slope, shift_in, shift_out = (vector(x, seed).detach() for seed in range(3))
    moved = x + shift_in[:, None, None]
    x = torch.where(moved.abs() < 0.01, x + 0.1, x)
    inputs = tuple(
        value.requires_grad_(need) for value, need in zip((x, slope, shift_in, shift_out), needs, strict=True)
    )
    assert torch.autograd.gradcheck(rprelu, inputs)


def test_the_gradient_at_0_is_that_of_torch() -> None:
    x, slope = torch.zeros(1, 2, 1, 1, requires_grad=True), torch.tensor([0.25, -2.0], requires_grad=True)
    for function in (prelu, F.prelu):
        gradients = torch.autograd.grad(function(x, slope).sum(), (x, slope))
        assert [gradient.flatten().tolist() for gradient in gradients] == [[0.25, -2.0], [0.0, 0.0]]


def test_an_expanded_incoming_gradient_is_read_correctly() -> None:
    x = torch.randn(2, 3, 4, 5, requires_grad=True)
    slope = torch.rand(3, requires_grad=True)
    expected = torch.autograd.grad(F.prelu(x, slope).mean((2, 3)).square().sum(), (x, slope))
    result = torch.autograd.grad(prelu(x, slope).mean((2, 3)).square().sum(), (x, slope))
    torch.testing.assert_close(result, expected)


def test_only_the_input_map_is_saved_for_the_gradient() -> None:
    x = torch.randn(2, 3, 4, 5, requires_grad=True)
    vectors = [vector(x, seed) for seed in range(3)]
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        rprelu(x, *vectors)
    assert set(kept) <= {x.data_ptr(), *(value.data_ptr() for value in vectors)}


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_maps_keep_their_type_under_autocast(kind: torch.dtype) -> None:
    x = torch.randn(2, 3, 4, 5, dtype=kind, requires_grad=True)
    vectors = [vector(x.float(), seed) for seed in range(3)]
    with torch.autocast("cpu", torch.bfloat16), GpuAutocast():
        y = rprelu(x, *vectors)
    assert y.dtype == kind
    y.mul(2).bfloat16().sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == kind


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maps_keep_their_type_and_layout(layout: torch.memory_format) -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.bfloat16).to(memory_format=layout).requires_grad_()
    vectors = [torch.randn(3, requires_grad=True) for _ in range(3)]
    y = rprelu(x, *vectors)
    y.backward(torch.ones_like(y))
    assert x.grad is not None
    assert y.dtype == x.grad.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=layout)
    assert x.grad.is_contiguous(memory_format=layout)
    assert all(value.grad is not None and value.grad.dtype == torch.float32 for value in vectors)
