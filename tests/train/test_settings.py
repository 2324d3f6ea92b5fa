"""How long trainings are: steps, batches of small sets, and the rungs of confirming."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.errors import UsageError
from evo_bnas.files.yaml_file import validate
from evo_bnas.train.settings import ConfirmSettings, RetrainSettings, SupernetSettings, TrainingSettings
from tests.support.refusals import refused

trainings = st.builds(
    TrainingSettings,
    epochs=st.integers(1, 50),
    real_epochs=st.integers(0, 50),
    batch=st.integers(1, 600),
    min_steps=st.integers(0, 5_000),
)
counts = st.integers(1, 100_000)  # of images


@given(trainings, counts)
def test_a_stage_has_at_least_its_epochs_and_its_minimum_of_steps_and_no_epoch_more(
    training: TrainingSettings, images: int
) -> None:
    per_epoch = training.steps_per_epoch(images)
    for real, wanted in ((False, training.epochs), (True, training.real_epochs)):
        epochs = training.epochs_in(images, real=real)
        if wanted:
            assert epochs >= wanted
            assert epochs * per_epoch >= training.min_steps
            assert epochs == wanted or (epochs - 1) * per_epoch < training.min_steps
        else:
            assert epochs == 0
    stages = (training.epochs_in(images, real=real) for real in (True, False))
    assert training.steps(images) == sum(stages) * per_epoch


@given(trainings, counts)
def test_a_batch_is_at_most_as_large_as_set_and_smaller_only_for_few_images(
    training: TrainingSettings, images: int
) -> None:
    largest = -(-images // training.steps_per_epoch(images))
    assert largest <= training.batch
    if images >= 32 * training.batch:
        assert training.steps_per_epoch(images) == -(-images // training.batch)
    elif images >= 32 * 16 and training.batch >= 16:
        assert training.steps_per_epoch(images) >= 32
    if images > training.batch >= 16:
        assert images // training.steps_per_epoch(images) >= 8, "batch norm needs several images"


@given(counts)
def test_a_supernet_and_a_final_training_have_enough_steps_however_few_the_images(images: int) -> None:
    assert SupernetSettings().steps(images) >= 3_000
    assert RetrainSettings().steps(images) >= 600
    assert TrainingSettings(epochs=1).epochs_in(images) == 1


def test_every_rung_trains_about_as_many_epochs_in_all() -> None:
    assert ConfirmSettings(networks=16, epochs=(1, 3)).rungs == [(16, 1), (5, 3)]
    assert ConfirmSettings(networks=30, epochs=(2, 5, 20)).rungs == [(30, 2), (12, 5), (3, 20)]
    assert ConfirmSettings(networks=0).rungs == []


@given(st.integers(1, 200), st.sets(st.integers(1, 50), min_size=1, max_size=4))
def test_a_later_rung_never_trains_more_networks_and_enough_to_compare(
    networks: int, epochs: set[int]
) -> None:
    content = {"networks": networks, "epochs": sorted(epochs)}
    if networks * min(epochs) // max(epochs) < 3:
        with refused(UsageError, "confirm: ", f"networks: {networks} ", f"{max(epochs)} epochs", "0"):
            validate(ConfirmSettings, content, "confirm")
        return
    numbers = [number for number, _ in validate(ConfirmSettings, content, "confirm").rungs]
    assert numbers[0] == networks
    assert numbers == sorted(numbers, reverse=True)
    assert min(numbers) >= 3, "fewer say nothing about the others"


@pytest.mark.parametrize("epochs", [[3, 1], [2, 2], []])
def test_rungs_that_do_not_rise_are_refused(epochs: list[int]) -> None:
    with pytest.raises(UsageError, match="epochs"):
        validate(ConfirmSettings, {"epochs": epochs}, "confirm")
