"""What a study is, and which there are."""

import pkgutil
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import analysis
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from evo_bnas.errors import UsageError, suggestion


def _no_options(_: ArgumentParser) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Study:
    """One section of docs/measured.md: how its figures are measured, and how a stored result is shown."""

    about: str | None  # the module's docstring
    section: str  # heading in docs/measured.md
    minutes: float  # with the default options, on two cores
    measure: Callable[[Namespace, Parts], dict[str, Any]]  # figures as JSON values
    render: Callable[[Result], str]  # Markdown, from the stored result alone
    options: Callable[[ArgumentParser], None] = _no_options  # adds the study's own
    timing: bool = False  # needs a machine without other work
    threads: int = 1  # the largest number that a process of the study uses
    picture: str | None = None  # file in docs/
    draw: Callable[[Result, Path], None] | None = None  # the picture, from the stored result alone


def names() -> list[str]:
    """The studies: every module of `analysis` itself."""
    return sorted(m.name for m in pkgutil.iter_modules(analysis.__path__) if not m.ispkg and m.name[0] != "_")


def load(name: str) -> Study:
    """Import a study; only what this one needs is imported with it."""
    study: Study = import_module(f"analysis.{name}").STUDY
    return study


def refuse_unknown(option: str, words: Iterable[str], known: Iterable[str]) -> None:
    """Raise UsageError for the first word of an option that is not known."""
    names = list(known)
    for word in words:
        if word not in names:
            raise UsageError(f"{option}: unknown name {word!r}; {suggestion(word, names)}")
