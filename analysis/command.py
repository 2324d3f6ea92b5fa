"""The frame of a study's command line."""

import argparse
import sys
from collections.abc import Callable, Sequence

from evo_bnas.cli import console
from evo_bnas.errors import UsageError


def parser(module: str, doc: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m MODULE`, whose last line is one JSON object after `--format json`."""
    own = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own.add_argument("--format", choices=("table", "json"), default="table")
    return own


def run(
    study: Callable[[argparse.Namespace], None],
    asked: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
) -> None:
    """Run a study with its arguments; wrong use ends with a sentence and exit code 2."""
    try:
        study(asked.parse_args(arguments))
    except UsageError as failure:
        console.complain(str(failure))
        sys.exit(2)
