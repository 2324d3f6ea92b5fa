"""Checks of error messages by their parts: the key, the value and the suggestion, not the prose."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def refused(error: type[Exception], *parts: str) -> Iterator[None]:
    """Check that the block raises this error, with a message of one or two lines that has all parts."""
    with pytest.raises(error) as raised:
        yield
    message = str(raised.value)
    assert len(message.splitlines()) <= 2
    assert not [part for part in parts if part not in message], message
