"""Learning rate, weight decay and steepness, step by step."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.binary.execute import Mode
from tests.support.stages import changed
from tests.support.training import STAGE

LR, WEIGHT_DECAY = STAGE.settings.lr, STAGE.settings.weight_decay


def test_the_learning_rate_falls_from_its_peak_to_nearly_0() -> None:
    rates = [STAGE.lr_at(step, 100) for step in range(100)]
    assert rates[0] == LR
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < LR / 1000
    assert rates[50] == pytest.approx(LR / 2)
    assert STAGE.lr_at(100, 100) == pytest.approx(0)


@given(st.integers(2, 40), st.data(), st.integers(0, 300))
def test_the_learning_rate_rises_in_the_warm_up_and_then_falls(
    epochs: int, data: st.DataObject, min_steps: int
) -> None:
    """A stage with more steps than its epochs have warms up for the same share of them."""
    warm_up = data.draw(st.integers(0, epochs - 1))
    stage = changed(STAGE, epochs=epochs, warm_up=warm_up, min_steps=min_steps)
    steps = stage.steps(53)
    peak = round(steps * warm_up / epochs)
    rates = [stage.lr_at(step, steps) for step in range(steps)]
    assert rates[peak] == max(rates) == LR
    assert rates[:peak] == pytest.approx([LR * (i + 1) / (peak + 1) for i in range(peak)])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert min(rates) > 0


@given(st.integers(1, 200), st.floats(0, 1))
def test_weight_decay_ends_after_its_share_of_the_steps(steps: int, share: float) -> None:
    stage = changed(STAGE, weight_decay_until=share)
    decays = [stage.weight_decay_at(step, steps) for step in range(steps)]
    assert decays == sorted(decays, reverse=True)
    assert set(decays) <= {WEIGHT_DECAY, 0.0}
    assert decays.count(WEIGHT_DECAY) == pytest.approx(share * steps, abs=1)


def test_tanh_steepens_exponentially_from_the_first_step_to_the_last() -> None:
    stage = changed(STAGE, mode=Mode(sign_gradient="tanh"))
    steepness = [stage.mode_at(step, 100).t for step in range(101)]
    assert steepness[0] == pytest.approx(1e-3)
    assert steepness[-1] == pytest.approx(10)
    ratios = [later / earlier for earlier, later in pairwise(steepness)]
    assert ratios == pytest.approx([10**0.04] * 100)
    assert stage.mode_at(50, 100) == replace(stage.mode, t=steepness[50])


def test_the_mode_decides_which_epochs_count() -> None:
    settings = STAGE.settings.model_copy(update={"epochs": 7, "real_epochs": 5, "min_steps": 25})
    stage = replace(STAGE, settings=settings)
    assert (stage.epochs(53), stage.steps(53)) == (7, 28)
    real = replace(stage, mode=Mode("real"))
    assert (real.epochs(53), real.steps(53)) == (7, 28), "25 steps take 7 epochs of 4"
    assert real.epochs(1_000) == 5
