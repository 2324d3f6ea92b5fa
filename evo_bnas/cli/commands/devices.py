"""The subcommands for devices: export, profile, predict."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evo_bnas.cli.app import KEY, Format, ListingFormat, OutputFormat, RunFolder, app, open_run, parse_key


class ExportFormat(StrEnum):
    """Export formats."""

    packed = "packed"
    c = "c"
    onnx = "onnx"


@app.command()
def export(
    run: RunFolder,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="A retrained network of the run.")
    ] = None,
    to: Annotated[
        ExportFormat, typer.Option(help="Packed 1-bit weights for Python without torch, C99 code, or ONNX.")
    ] = ExportFormat.packed,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="[default: a file in the folder of the network]")
    ] = None,
) -> None:
    """Write a retrained network as a file that a device, or Python without torch, can run."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import export as output
    from evo_bnas.export import targets

    network, written = targets.export(open_run(run), key, to.value, out)
    output.print_export(network, written)
    console.print_next("use it", written.command)


@app.command()
def profile(
    run: RunFolder,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help=f"{KEY}. [default: the recipe's pick]")
    ] = None,
    format_: Format = OutputFormat.table,
) -> None:
    """Measure where the time of a network goes on this host, node by node.

    One image at a time on one thread, by 1-bit execution. The weights do not matter: the network need not be
    trained.
    """
    from evo_bnas.cli import console
    from evo_bnas.cli.output import profile as output
    from evo_bnas.run.profile import measure
    from evo_bnas.run.results import Results

    opened = open_run(run)
    architecture = parse_key(opened.space, key or Results.of(opened).pick().key)
    profiled = measure(opened, architecture)
    if format_ is OutputFormat.json:
        console.print_json(output.row(profiled))
        return
    output.print_profile(profiled)
    console.print_next("retrain it", f"evo-bnas retrain {opened.folder} {profiled.key}")


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(help="File written by `evo-bnas export --to packed`.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    format_: Annotated[ListingFormat, typer.Option("--format")] = ListingFormat.table,
) -> None:
    """Classify image files with an exported network."""
    from evo_bnas.cli import console
    from evo_bnas.packed import predict as prediction
    from evo_bnas.packed.file import load_packed

    predictions = prediction.predict(load_packed(file), images)
    if format_ is ListingFormat.table:
        texts = [[one.file, one.label, f"{100 * one.probability:.1f} %"] for one in predictions]
        console.print_table(["file", "class", "probability"], texts, left=["file", "class"])
        return
    rows = [one.row() for one in predictions]
    if format_ is ListingFormat.csv:
        console.print_csv(rows)
    else:
        console.print_json(rows)
