"""Images: splits, normalisation, the effect of seeds, and the cache of decoded images."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from evo_bnas.data import prepare
from evo_bnas.data.dataset import Dataset, load
from evo_bnas.data.prepare import PreparedData
from evo_bnas.data.source import DecodedImages, Source, describe, open_source
from evo_bnas.data.split import split
from evo_bnas.errors import UsageError
from evo_bnas.progress import Report, silent
from evo_bnas.run import inputs
from evo_bnas.run.start import start
from tests.support import digits as published
from tests.support.digits import DIGITS


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load(DIGITS, seed=0)


def test_digits(digits: Dataset) -> None:
    assert digits.image == (1, 8, 8)
    assert digits.classes == tuple("0123456789")
    assert (len(digits.train), len(digits.search), len(digits.test)) == (1079, 359, 359)
    for part in (digits.train, digits.search, digits.test):
        assert part.pixels.shape == part[:].shape == (len(part), 1, 8, 8)
        assert part.pixels.dtype == torch.uint8
        assert part[:].dtype == torch.float32
        assert part.y.dtype == torch.int64
    assert describe(DIGITS) == ((1, 8, 8), 10)


def test_the_train_split_is_normalised(digits: Dataset) -> None:
    assert digits.train[:].mean().abs() < 1e-6
    assert (digits.train[:].std(correction=0) - 1).abs() < 1e-6
    # Mean and std give the raw pixels back.
    raw = digits.test[:] * digits.std[0] + digits.mean[0]
    assert torch.allclose(raw, raw.round(), atol=1e-5)
    assert raw.round().aminmax() == (0, 16)


def test_mean_and_deviation_are_those_of_numpy(digits: Dataset) -> None:
    pixels = digits.train.pixels.numpy()
    assert digits.mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), rel=1e-12)
    assert digits.std == pytest.approx(pixels.std(axis=(0, 2, 3)), rel=1e-12)


def test_a_batch_is_normalised_like_all_images(digits: Dataset) -> None:
    chosen = torch.tensor([5, 0, 17])
    assert torch.equal(digits.train[chosen], digits.train[:][chosen])
    assert torch.equal(digits.train[3:9], digits.train[:][3:9])


def test_the_first_images_keep_their_order_and_scale(digits: Dataset) -> None:
    few = digits.train.first(7)
    assert len(few) == 7
    assert torch.equal(few[:], digits.train[:7])
    assert torch.equal(few.y, digits.train.y[:7])
    assert len(digits.train.first(10**6)) == len(digits.train)


def test_joined_images_come_one_split_after_the_other(digits: Dataset) -> None:
    both = digits.train.join(digits.search)
    assert torch.equal(both[:], torch.cat([digits.train[:], digits.search[:]]))
    assert torch.equal(both.y, torch.cat([digits.train.y, digits.search.y]))


def unpictured(labels: NDArray[np.int64], is_test: NDArray[np.bool_] | None = None) -> DecodedImages:
    """Images of one pixel with these labels."""
    return DecodedImages(np.zeros((len(labels), 1, 1, 1), np.uint8), labels, is_test)


@given(
    st.lists(st.integers(5, 40), min_size=2, max_size=5),
    st.integers(0, 2**32),
    st.sampled_from([0.2, 0.25, 0.4]),
    st.booleans(),
)
def test_splits_are_disjoint_complete_and_stratified(
    counts: list[int], seed: int, share: float, published_test: bool
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    test = np.zeros(len(labels), bool)
    for label in range(len(counts)):
        test[np.flatnonzero(labels == label)[:2]] = published_test
    settings = DIGITS.model_copy(update={"search_share": share})
    splits = split(
        unpictured(labels, test if published_test else None), list(map(str, counts)), settings, seed
    )
    assert np.array_equal(np.sort(np.concatenate(splits)), np.arange(len(labels)))
    for label, count in enumerate(counts):
        shared = count - 2 * published_test
        assert np.sum(labels[splits.search] == label) == round(share * shared)
        assert np.sum(labels[splits.test] == label) == (2 if published_test else round(0.2 * count))
    if published_test:
        assert np.array_equal(splits.test, np.flatnonzero(test))


def test_seeds_change_the_search_split_and_never_the_test_split(digits: Dataset) -> None:
    other = load(DIGITS, seed=1)
    first, second = published.splits(0), published.splits(1)
    assert np.array_equal(first.test, second.test)
    assert not np.array_equal(first.search, second.search)
    assert torch.equal(digits.test.y, other.test.y)
    assert digits.fingerprint != other.fingerprint


def test_the_same_seed_gives_the_same_data(digits: Dataset) -> None:
    again = load(DIGITS, seed=0)
    assert again.fingerprint == digits.fingerprint
    assert torch.equal(again.train.pixels, digits.train.pixels)


def test_other_shares_give_other_splits(digits: Dataset) -> None:
    other = load(DIGITS.model_copy(update={"search_share": 0.1, "test_share": 0.3}), seed=0)
    assert (len(other.train), len(other.search), len(other.test)) == (1079, 179, 539)
    assert other.fingerprint != digits.fingerprint


@pytest.mark.parametrize("counts", [(8, 1), (8, 2)])
def test_a_class_that_cannot_be_in_every_split_is_named(counts: tuple[int, int]) -> None:
    labels = np.repeat([0, 1], counts)
    with pytest.raises(UsageError, match=rf"class 'few'.* {counts[1]} images.*data\.search_share"):
        split(unpictured(labels), ["many", "few"], DIGITS, seed=0)


class CountedSource:
    """Makes sources of two classes whose files can change; notes each time that one is decoded."""

    def __init__(self, count: int = 20) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 4, 5), dtype=np.uint8)
        self.decoded: list[str] = []

    def source(self, version: str, refuse: str = "") -> Source:
        def read(_: Report) -> DecodedImages:
            if refuse:
                raise UsageError(refuse)
            self.decoded.append(version)
            labels = np.arange(len(self.pixels), dtype=np.int64) % 2
            test = np.arange(len(labels)) < len(labels) // 2
            return DecodedImages(self.pixels, labels, test, skipped=("a.png: unreadable",))

        return Source(self.pixels.shape[1:], ("a", "b"), read, files_hash=version)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Source], PreparedData]:
    """Runs `prepare` for a source, with a cache in the folder of the test."""

    def run(source: Source) -> PreparedData:
        monkeypatch.setattr(prepare, "open_source", lambda _: source)
        return prepare.prepare(DIGITS, 0, tmp_path / "data", silent)

    return run


def test_images_are_decoded_once_and_then_read_from_the_cache(
    prepared: Callable[[Source], PreparedData],
) -> None:
    counted = CountedSource()
    first, second = (prepared(counted.source("v1")) for _ in range(2))
    assert counted.decoded == ["v1"]
    for found in (first, second):
        assert np.array_equal(found.images.pixels, counted.pixels)
        assert np.array_equal(found.images.labels, np.arange(20) % 2)
        assert np.array_equal(found.splits.test, np.arange(10))
        assert found.images.skipped == ("a.png: unreadable",)
        assert found.fingerprint == first.fingerprint


def test_changed_files_are_decoded_again(prepared: Callable[[Source], PreparedData]) -> None:
    counted = CountedSource()
    before = prepared(counted.source("v1")).fingerprint
    counted.pixels = 255 - counted.pixels
    after = prepared(counted.source("v2"))
    assert counted.decoded == ["v1", "v2"]
    assert np.array_equal(after.images.pixels, counted.pixels)
    assert before != after.fingerprint


@pytest.mark.parametrize(
    "lost",
    [("images.json", b""), ("images.json", b'{"version": 1'), ("pixels.npy", b"half"), ("pixels.npy", None)],
)
def test_an_incomplete_cache_is_filled_again(
    lost: tuple[str, bytes | None], prepared: Callable[[Source], PreparedData], tmp_path: Path
) -> None:
    counted = CountedSource()
    prepared(counted.source("v1"))
    name, left = lost
    (tmp_path / "data" / name).unlink()
    if left is not None:
        (tmp_path / "data" / name).write_bytes(left)
    assert np.array_equal(prepared(counted.source("v1")).images.pixels, counted.pixels)
    assert counted.decoded == ["v1", "v1"]


def test_several_readers_of_an_empty_cache_decode_once(prepared: Callable[[Source], PreparedData]) -> None:
    counted = CountedSource()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(prepared, [counted.source("v1")] * 4))
    assert counted.decoded == ["v1"]
    assert len({result.fingerprint for result in results}) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (CountedSource().source("v1", refuse="b.png: unreadable"), r"b\.png"),
        (CountedSource(count=4).source("v1"), "class 'a'.* 2 images"),
    ],
)
def test_refused_images_are_not_stored(
    source: Source, message: str, prepared: Callable[[Source], PreparedData], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        prepared(source)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".lock"]


def test_a_run_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(8 if label == "a" else 1):
            Image.new("L", (8, 8), number).save(tmp_path / "pictures" / label / f"{number}.png")
    recipe = tmp_path / "own.yaml"
    recipe.write_text(f"data: {{name: folder, path: {tmp_path}/pictures}}\nspace: elastic-8\n")
    with pytest.raises(UsageError, match=r"class 'b'.* 1 images"):
        start(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_resumes_only_with_the_images_that_it_was_started_with(tmp_path: Path) -> None:
    """Another file changes the split, so an image that has trained the network could test it."""
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (8, 8), 10 * number).save(tmp_path / "pictures" / label / f"{number}.png")
    recipe = tmp_path / "own.yaml"
    recipe.write_text(f"data: {{name: folder, path: {tmp_path}/pictures}}\nspace: elastic-8\n")
    run = start(recipe, tmp_path / "run")
    assert len(inputs.images(run).train) == 12
    open_source.cache_clear()
    more = tmp_path / "pictures" / "a" / "00.png"
    Image.new("L", (8, 8), 255).save(more)
    with pytest.raises(UsageError, match=r"data folder: .*--out"):
        inputs.images(run)
    more.unlink()
    open_source.cache_clear()
    assert len(inputs.images(run).train) == 12
