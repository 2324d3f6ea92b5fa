"""What a user can cause and mend, or machines do; everything else that goes wrong is a bug of ours."""

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(Exception):
    """Wrong use: names the thing, the value and the way out in one or two lines. Exit code 2."""


class ClusterError(Exception):
    """What became of a cluster, in a sentence or two; what was finished is saved. Exit code 1."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """A way out for a word that is not known: the nearest valid one, else all of them."""
    names = list(known)
    near = get_close_matches(word, names, n=1)
    return f'did you mean "{near[0]}"?' if near else f"choose from {', '.join(names)}"
