"""The command line: subcommands that parse options, call a stage, and print the result."""

import os

from evo_bnas.cli.app import app

# --help lists subcommands in the order in which these modules register them.
# isort: off
from evo_bnas.cli.commands import runs, inputs, devices  # noqa: F401
# isort: on


def main() -> None:
    """The entry point of the `evo-bnas` command."""
    # torch reads this when it is loaded. By default its threads spin while they wait for each other: with one
    # other busy process on two cores, a training step took twenty times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()
