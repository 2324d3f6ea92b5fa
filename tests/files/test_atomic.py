"""Atomic writes: a file is the old one or the new one."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.files import atomic
from evo_bnas.files.atomic import file_name
from tests.support.strategies import SPACES


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write_bytes(path, b"old")

    def fail(temporary: Path) -> None:
        temporary.write_bytes(b"half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        atomic.replace(path, fail)
    assert path.read_bytes() == b"old"
    atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


@given(st.text(min_size=1, max_size=400))
def test_any_text_gives_a_valid_file_name(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._+=-]{1,80}", file_name(f"space-{text}"))


def test_different_keys_have_different_files(tmp_path: Path) -> None:
    space = SPACES["elastic-mobile-224"]
    key = space.largest().key
    others = [other.key for other in space.neighbours(space.largest())]
    assert len({file_name(f"{space.name}-{text}") for text in (key, *others)}) == 1 + len(others)
    path = tmp_path / f"{file_name(key)}.svg"
    path.touch()
    assert path.exists()
