"""Augmentation: reproducible, and made of the images' own pixels."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evo_bnas.train.augment import augment
from evo_bnas.train.ranks import Ranks
from evo_bnas.train.settings import AugmentationSettings

shapes = st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))


def numbered(shape: tuple[int, ...]) -> Tensor:
    """Images whose pixels all have different values, none of them 0."""
    return torch.arange(1, 1 + int(np.prod(shape)), dtype=torch.float32).view(shape)


def noise(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(shapes, st.integers(0, 3), st.booleans(), st.integers(0, 4), st.integers(0, 1000))
def test_augmentation_keeps_shapes_and_follows_its_generator(
    shape: tuple[int, ...], crop: int, flip: bool, cutout: int, seed: int
) -> None:
    images = numbered(shape)
    before = images.clone()
    settings = AugmentationSettings(crop=crop, flip=flip, cutout=cutout)
    once, twice = (augment(images, settings, noise(seed)) for _ in range(2))
    assert once.shape == images.shape
    assert torch.equal(once, twice)
    assert torch.equal(images, before)
    # Every value is one of the image's own, or the 0 of the border.
    for image, result in zip(images, once, strict=True):
        assert set(result.flatten().tolist()) <= set(image.flatten().tolist()) | {0.0}


@given(shapes)
def test_no_augmentation_is_the_identity(shape: tuple[int, ...]) -> None:
    images = numbered(shape)
    assert torch.equal(augment(images, AugmentationSettings(), noise(0)), images)


@given(shapes, st.integers(1, 3), st.integers(0, 1000))
def test_every_crop_is_a_window_of_the_padded_image(shape: tuple[int, ...], pad: int, seed: int) -> None:
    images = numbered(shape)
    _, _, height, width = shape
    padded = F.pad(images, (pad,) * 4)
    cropped = augment(images, AugmentationSettings(crop=pad), noise(seed))
    for image, result in zip(padded, cropped, strict=True):
        windows = [
            image[:, top : top + height, left : left + width]
            for top in range(2 * pad + 1)
            for left in range(2 * pad + 1)
        ]
        assert any(torch.equal(result, window) for window in windows)


@given(shapes, st.integers(0, 1000))
def test_a_flip_undoes_itself(shape: tuple[int, ...], seed: int) -> None:
    images = numbered(shape)
    settings = AugmentationSettings(flip=True)
    flipped = augment(images, settings, noise(seed))
    assert torch.equal(augment(flipped, settings, noise(seed)), images)
    for image, result in zip(images, flipped, strict=True):
        assert torch.equal(result, image) or torch.equal(result, image.flip(-1))


def test_half_of_the_images_are_flipped() -> None:
    images = numbered((400, 1, 2, 2))
    flipped = augment(images, AugmentationSettings(flip=True), noise(0))
    assert 150 < (flipped != images).flatten(1).any(1).sum() < 250


@given(shapes, st.integers(1, 12), st.integers(0, 1000))
def test_cutout_erases_one_rectangle_within_its_side(shape: tuple[int, ...], side: int, seed: int) -> None:
    images = numbered(shape)
    cut = augment(images, AugmentationSettings(cutout=side), noise(seed))
    for image, result in zip(images, cut, strict=True):
        erased = result == 0
        assert (erased == erased[0]).all()  # the same pixels in every channel
        assert torch.equal(result[~erased], image[~erased])
        rows, columns = erased[0].any(1), erased[0].any(0)
        assert torch.equal(erased[0], rows[:, None] & columns[None, :])
        assert 1 <= rows.sum() <= side
        assert 1 <= columns.sum() <= side


@given(st.integers(1, 5), st.integers(5, 20), st.integers(0, 2), st.booleans(), st.integers(0, 4))
def test_a_part_is_augmented_as_in_the_whole_batch(
    count: int, batch: int, crop: int, flip: bool, cutout: int
) -> None:
    settings = AugmentationSettings(crop=crop, flip=flip, cutout=cutout)
    images = numbered((batch, 2, 5, 4))
    whole = augment(images, settings, noise(7))
    for part in (Ranks(rank, count).part(batch) for rank in range(count)):
        assert torch.equal(augment(images[part], settings, noise(7), batch, part), whole[part])
