"""All readers: what they return, and the paths and files that they accept."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import open_source
from evo_bnas.progress import silent
from tests.support.datasets import (
    Pixels,
    opened,
    random_pixels,
    refused,
    write_folder,
    write_idx,
    write_parquet,
)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one example of Hypothesis."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


images = st.tuples(
    st.integers(2, 6), st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32)
).map(lambda drawn: np.random.default_rng(drawn[4]).integers(0, 256, drawn[:4], dtype=np.uint8))


@hypothesis_settings(max_examples=20)
@given(images)
def test_all_readers_return_what_was_written(pixels: Pixels) -> None:
    labels = [number % 2 for number in range(len(pixels))]
    names = [("ant", "bee")[label] for label in labels]
    with folder() as path:
        write_folder(path / "folder", pixels, names)
        write_parquet(path / "parquet/train.parquet", pixels, labels)
        (path / "idx").mkdir()
        write_idx(path / "idx", pixels, labels)
        for name, order in (("folder", np.argsort(labels, kind="stable")), ("parquet", ...), ("idx", ...)):
            source = opened(name, path / name)
            decoded = source.read(silent)
            assert source.image == pixels.shape[1:]
            assert source.classes == (("0", "1") if name == "idx" else ("ant", "bee"))
            assert np.array_equal(decoded.pixels, pixels[order])
            assert decoded.labels.tolist() == np.array(labels)[order].tolist()
            assert decoded.labels.dtype == np.int64
            assert decoded.is_test is None
            assert not decoded.skipped


def test_a_path_may_start_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "mine", random_pixels(4, 1, 5, 5), ["a", "a", "b", "b"])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert opened("folder", Path("~/mine")).classes == ("a", "b")


@pytest.mark.parametrize("name", ["folder", "parquet", "idx", "cifar10", "cifar100"])
def test_a_missing_path_and_an_empty_folder_are_named(name: str, tmp_path: Path) -> None:
    refused(name, tmp_path / "no", "no such file or folder", str(tmp_path / "no"))
    (tmp_path / "empty").mkdir()
    refused(name, tmp_path / "empty", str(tmp_path / "empty"))


def test_the_hash_of_files_changes_with_files_and_decoding_settings_only(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(4, 1, 5, 5), ["a", "a", "b", "b"])
    base = DataSettings(name="folder", path=str(tmp_path))
    state = open_source.__wrapped__(base).files_hash
    assert state
    assert open_source.__wrapped__(base.model_copy(update={"search_share": 0.3})).files_hash == state
    for other in ({"size": (4, 4)}, {"channels": 3}, {"skip_bad": True}):
        assert open_source.__wrapped__(base.model_copy(update=other)).files_hash != state
    os.utime(tmp_path / "a/000.png", ns=(1, 1))
    assert open_source.__wrapped__(base).files_hash != state


def test_a_set_of_one_class_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(2, 1, 5, 5), ["only", "only"])
    refused("folder", tmp_path, "'only'")
