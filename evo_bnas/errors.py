"""Errors that a user or a machine causes; every other exception is a bug."""

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(Exception):
    """Wrong use. The message names the thing, the value and the way out in one or two lines. Exit code 2."""


class ClusterError(Exception):
    """A failure of a cluster, in a sentence or two; finished work is saved. Exit code 1."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """The way out for an unknown word: the nearest valid one, or else all of them."""
    names = list(known)
    near = get_close_matches(word, names, n=1)
    return f'did you mean "{near[0]}"?' if near else f"choose from {', '.join(names)}"
