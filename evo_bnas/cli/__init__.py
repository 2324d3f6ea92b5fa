"""The command line: verbs that parse, call the workflow, and print the result and what comes next."""

import os

from evo_bnas.cli.app import app

# --help lists verbs in the order in which these modules register them.
# isort: off
from evo_bnas.cli import runs, inputs, devices  # noqa: F401
# isort: on


def main() -> None:
    """The entry point of the `evo-bnas` command."""
    # Read when torch is loaded. By default its threads spin while they wait for each other: with one other
    # busy process on two cores, a training step took twenty times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()
