"""The command itself: its exit codes, and what several verbs have in common."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from evo_bnas.errors import ClusterError, UsageError

if TYPE_CHECKING:  # every verb imports its own machinery, so that --help answers at once
    from evo_bnas.run import Run
    from evo_bnas.space.genes import Architecture, Space


class Listing(StrEnum):
    """For a person, or for a script."""

    table = "table"
    json = "json"


class Rows(StrEnum):
    """For a person, a spreadsheet or a script."""

    table = "table"
    csv = "csv"
    json = "json"


class _Verbs(TyperGroup):
    """Turns failures into one or two lines and an exit code: 1 failed, 2 wrong use, 130 interrupted."""

    def invoke(self, ctx: Any) -> Any:
        from evo_bnas import console

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
            console.complain(f"interrupted; what was finished is saved. Continue with: {again}")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Verbs,
    help="Search for 1-bit convolutional networks: as accurate as possible under a budget.",
    epilog="Begin with: evo-bnas run digits",
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
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe; may be repeated.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out images that cannot be read.")]
Workers = Annotated[
    int | None, typer.Option(help="Processes that score or train; more than one, or an address, is Ray.")
]
Address = Annotated[str | None, typer.Option(help="Ray cluster: host:port, or auto. [default: one's own]")]
KEY = "Key of a network, smallest, largest or random"
Format = Annotated[Listing, typer.Option("--format", help="For a person, or for a script.")]


def open_run(target: str, workers: int | None = None, address: str | None = None) -> "Run":
    """The run in a folder, or that of a recipe in its usual folder."""
    from evo_bnas.run import OUT, Run

    usual = OUT / target
    folder = usual if not Path(target).exists() and usual.is_dir() else Path(target)
    if changes := hands(workers, address):
        from evo_bnas import beginning

        return beginning.resume(folder, changes)
    return Run.open(folder)


def hands(workers: int | None, address: str | None) -> list[str]:
    """Who does the work, as overrides of a recipe."""
    engine = {"workers": workers, "address": address}
    return [f"engine.{key}={value}" for key, value in engine.items() if value is not None]


def parse_key(space: "Space", key: str) -> "Architecture":
    """The architecture that a key, `smallest`, `largest` or `random` means; raises UsageError for others."""
    if key == "random":
        import numpy as np

        return space.sample(np.random.default_rng())
    if key in ("smallest", "largest"):
        return space.smallest() if key == "smallest" else space.largest()
    try:
        return space.parse(key)
    except ValueError as failure:
        raise UsageError(str(failure)) from None
