"""The `evo-bnas` command: exit codes, and what several subcommands share."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from evo_bnas.errors import ClusterError, UsageError

if TYPE_CHECKING:  # every subcommand imports what it needs, so that --help is fast
    from evo_bnas.run.folder import Run
    from evo_bnas.space.genes import Architecture, Space


class OutputFormat(StrEnum):
    """Output formats of commands with one result."""

    table = "table"
    json = "json"


class ListingFormat(StrEnum):
    """Output formats of listings."""

    table = "table"
    csv = "csv"
    json = "json"


class _Commands(TyperGroup):
    """Turns errors into one or two lines and an exit code: 1 failed, 2 wrong use, 130 interrupted."""

    def invoke(self, ctx: Any) -> Any:
        from evo_bnas.cli import console

        try:
            return super().invoke(ctx)
        except UsageError as failure:
            console.complain(str(failure))
            raise typer.Exit(2) from None
        except ClusterError as failure:
            console.complain(str(failure))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            again = shlex.join(["evo-bnas", *sys.argv[1:]])
            console.complain(f"interrupted; finished work is saved. Resume with: {again}")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Commands,
    help="Search for 1-bit convolutional networks that are as accurate as possible within a budget.",
    epilog="Start with: evo-bnas run digits",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RecipeOrRun = Annotated[
    str, typer.Argument(metavar="RECIPE", help="Shipped recipe, YAML file, or the folder of a run.")
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run, or the name of its recipe.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the run. [default: runs/out/RECIPE]")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe; repeatable."),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip images that cannot be read.")]
Workers = Annotated[int | None, typer.Option(help="Processes that score or train in parallel, on Ray.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster: host:port or auto. [default: start one]")]
KEY = "Key of a network, smallest, largest or random"
Format = Annotated[OutputFormat, typer.Option("--format", help="Output format.")]


def open_run(target: str, workers: int | None = None, address: str | None = None) -> "Run":
    """The run in a folder, or that of a recipe in its default folder."""
    from evo_bnas.run.folder import OUT, Run

    default = OUT / target
    folder = default if not Path(target).exists() and default.is_dir() else Path(target)
    if overrides := resources(workers, address):
        from evo_bnas.run.start import resume

        return resume(folder, overrides)
    return Run.open(folder)


def resources(workers: int | None, address: str | None) -> list[str]:
    """The options that choose resources, as overrides of a recipe."""
    given = {"workers": workers, "address": address}
    return [f"engine.{key}={value}" for key, value in given.items() if value is not None]


def parse_key(space: "Space", key: str) -> "Architecture":
    """The architecture that a key, `smallest`, `largest` or `random` means; raises UsageError for others."""
    if key == "random":
        import numpy as np

        return space.sample(np.random.default_rng())
    if key in ("smallest", "largest"):
        return space.smallest() if key == "smallest" else space.largest()
    return space.named(key)
