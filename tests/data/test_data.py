"""Images: the parts, their normalisation, what seeds change, and what a run keeps."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evo_bnas.data import prepare
from evo_bnas.data.dataset import Dataset, load
from evo_bnas.data.prepare import Prepared
from evo_bnas.data.source import Raw, Source, describe, open_source
from evo_bnas.data.split import split
from evo_bnas.errors import UsageError
from evo_bnas.progress import Report, silent
from evo_bnas.run import inputs
from evo_bnas.run.start import start
from tests.support import digits as published
from tests.support.digits import DIGITS

RAW = published.raw()


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


def test_the_train_part_is_normalised(digits: Dataset) -> None:
    assert digits.train[:].mean().abs() < 1e-6
    assert (digits.train[:].std(correction=0) - 1).abs() < 1e-6
    # Raw pixels come back by mean and std.
    raw = digits.test[:] * digits.std[0] + digits.mean[0]
    assert torch.allclose(raw, raw.round(), atol=1e-5)
    assert raw.round().aminmax() == (0, 16)


def test_mean_and_deviation_are_those_of_numpy(digits: Dataset) -> None:
    pixels = digits.train.pixels.numpy()
    assert digits.mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), rel=1e-12)
    assert digits.std == pytest.approx(pixels.std(axis=(0, 2, 3)), rel=1e-12)


def test_a_batch_is_normalised_as_all_images_are(digits: Dataset) -> None:
    chosen = torch.tensor([5, 0, 17])
    assert torch.equal(digits.train[chosen], digits.train[:][chosen])
    assert torch.equal(digits.train[3:9], digits.train[:][3:9])


def test_joined_images_are_one_part_after_the_other(digits: Dataset) -> None:
    both = digits.train.join(digits.search)
    assert torch.equal(both[:], torch.cat([digits.train[:], digits.search[:]]))
    assert torch.equal(both.y, torch.cat([digits.train.y, digits.search.y]))


@given(
    st.lists(st.integers(5, 40), min_size=2, max_size=5),
    st.integers(0, 2**32),
    st.sampled_from([0.2, 0.25, 0.4]),
    st.booleans(),
)
def test_parts_are_disjoint_complete_and_stratified(
    counts: list[int], seed: int, share: float, published_test: bool
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    test = np.zeros(len(labels), bool)
    for label in range(len(counts)):
        test[np.flatnonzero(labels == label)[:2]] = published_test
    given_test = test if published_test else None
    parts = split(labels, list(map(str, counts)), seed, test=given_test, search_share=share)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for label, count in enumerate(counts):
        shared = count - 2 * published_test
        assert np.sum(labels[parts.search] == label) == round(share * shared)
        assert np.sum(labels[parts.test] == label) == (2 if published_test else round(0.2 * count))
    if published_test:
        assert np.array_equal(parts.test, np.flatnonzero(test))


def test_seeds_change_the_search_part_and_never_the_test_part(digits: Dataset) -> None:
    other = load(DIGITS, seed=1)
    one, two = published.parts(0), published.parts(1)
    assert np.array_equal(one.test, two.test)
    assert not np.array_equal(one.search, two.search)
    assert torch.equal(digits.test.y, other.test.y)
    assert digits.fingerprint != other.fingerprint


def test_the_same_seed_is_the_same_data(digits: Dataset) -> None:
    again = load(DIGITS, seed=0)
    assert again.fingerprint == digits.fingerprint
    assert torch.equal(again.train.pixels, digits.train.pixels)


def test_other_shares_are_other_parts(digits: Dataset) -> None:
    other = load(DIGITS.model_copy(update={"search_share": 0.1, "test_share": 0.3}), seed=0)
    assert (len(other.train), len(other.search), len(other.test)) == (1079, 179, 539)
    assert other.fingerprint != digits.fingerprint


@pytest.mark.parametrize("counts", [(8, 1), (8, 2)])
def test_a_class_that_cannot_be_in_every_part_is_named(counts: tuple[int, int]) -> None:
    labels = np.repeat([0, 1], counts)
    with pytest.raises(
        UsageError, match=rf"class 'few' has {counts[1]} images: none of them is left for the"
    ):
        split(labels, ["many", "few"], seed=0)


class Folder:
    """A data set of two classes whose files can change, and a note of each time that it is decoded."""

    def __init__(self, count: int = 20) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 4, 5), dtype=np.uint8)
        self.decoded: list[str] = []

    def source(self, state: str, refuse: str = "") -> Source:
        def read(_: Report) -> Raw:
            if refuse:
                raise UsageError(refuse)
            self.decoded.append(state)
            labels = np.arange(len(self.pixels), dtype=np.int64) % 2
            test = np.arange(len(labels)) < len(labels) // 2
            return Raw(self.pixels, labels, test, skipped=("a.png: is no image",))

        return Source(self.pixels.shape[1:], ("a", "b"), read, state=state)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Source], Prepared]:
    """What `prepare` makes of a source, kept in a folder of the test."""

    def run(source: Source) -> Prepared:
        monkeypatch.setattr(prepare, "open_source", lambda _: source)
        return prepare.prepare(DIGITS, 0, tmp_path / "data", silent)

    return run


def test_images_are_decoded_once_and_then_read_from_the_folder(
    prepared: Callable[[Source], Prepared],
) -> None:
    folder = Folder()
    first, second = (prepared(folder.source("v1")) for _ in range(2))
    assert folder.decoded == ["v1"]
    for found in (first, second):
        assert np.array_equal(found.raw.pixels, folder.pixels)
        assert np.array_equal(found.raw.labels, np.arange(20) % 2)
        assert np.array_equal(found.parts.test, np.arange(10))
        assert found.raw.skipped == ("a.png: is no image",)
        assert found.fingerprint == first.fingerprint


def test_changed_files_are_decoded_anew(prepared: Callable[[Source], Prepared]) -> None:
    folder = Folder()
    before = prepared(folder.source("v1")).fingerprint
    folder.pixels = 255 - folder.pixels
    after = prepared(folder.source("v2"))
    assert folder.decoded == ["v1", "v2"]
    assert np.array_equal(after.raw.pixels, folder.pixels)
    assert before != after.fingerprint


@pytest.mark.parametrize(
    "lost",
    [("images.json", b""), ("images.json", b'{"version": 1'), ("pixels.npy", b"half"), ("pixels.npy", None)],
)
def test_a_folder_in_which_something_is_missing_is_filled_anew(
    lost: tuple[str, bytes | None], prepared: Callable[[Source], Prepared], tmp_path: Path
) -> None:
    folder = Folder()
    prepared(folder.source("v1"))
    name, left = lost
    (tmp_path / "data" / name).unlink()
    if left is not None:
        (tmp_path / "data" / name).write_bytes(left)
    assert np.array_equal(prepared(folder.source("v1")).raw.pixels, folder.pixels)
    assert folder.decoded == ["v1", "v1"]


def test_several_readers_of_an_empty_folder_decode_once(prepared: Callable[[Source], Prepared]) -> None:
    folder = Folder()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(prepared, [folder.source("v1")] * 4))
    assert folder.decoded == ["v1"]
    assert len({one.fingerprint for one in found}) == 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Folder().source("v1", refuse="b.png: is no image"), "b.png: is no image"),
        (Folder(count=4).source("v1"), "class 'a' has 2 images: none of them is left for the"),
    ],
)
def test_what_is_refused_is_not_kept(
    source: Source, said: str, prepared: Callable[[Source], Prepared], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        prepared(source)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".lock"]


def test_a_run_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(8 if label == "a" else 1):
            Image.new("L", (8, 8), number).save(tmp_path / "pictures" / label / f"{number}.png")
    recipe = tmp_path / "own.yaml"
    recipe.write_text(f"data: {{name: folder, path: {tmp_path}/pictures}}\nspace: elastic-8\n")
    with pytest.raises(UsageError, match="class 'b' has 1 images"):
        start(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_only_with_the_images_that_it_was_begun_with(tmp_path: Path) -> None:
    """A file more divides the others in another way, so one that has trained could test."""
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (8, 8), 10 * number).save(tmp_path / "pictures" / label / f"{number}.png")
    recipe = tmp_path / "own.yaml"
    recipe.write_text(f"data: {{name: folder, path: {tmp_path}/pictures}}\nspace: elastic-8\n")
    begun = start(recipe, tmp_path / "run")
    assert len(inputs.images(begun).train) == 12
    open_source.cache_clear()
    more = tmp_path / "pictures" / "a" / "00.png"
    Image.new("L", (8, 8), 255).save(more)
    with pytest.raises(UsageError, match=r"data folder: the images were changed since .*run was begun"):
        inputs.images(begun)
    more.unlink()
    open_source.cache_clear()
    assert len(inputs.images(begun).train) == 12
