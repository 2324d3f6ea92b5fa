"""The verbs of what a user takes to a device: export, profile, predict."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evo_bnas.cli.app import KEY, Format, Listing, Rows, RunFolder, app, open_run, parse_key


class Target(StrEnum):
    """What a network is exported to."""

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
        Target, typer.Option(help="1-bit weights for Python without torch, C99, or ONNX.")
    ] = Target.packed,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="[default: in the pick's folder]")] = None,
) -> None:
    """Write a retrained network as a file that a device, or Python without torch, can run."""
    from evo_bnas import console
    from evo_bnas.export import targets
    from evo_bnas.readout import export as readout

    network, written = targets.export(open_run(run), key, to.value, out)
    readout.print_export(network, written)
    console.print_next("use it", written.command)


@app.command()
def profile(
    run: RunFolder,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help=f"{KEY}. [default: the recipe's pick]")
    ] = None,
    format_: Format = Listing.table,
) -> None:
    """Measure where the time of a network goes on this host, node by node.

    One image at a time on one thread, by 1-bit execution. Weights have no say in it: the network need not
    be trained.
    """
    from evo_bnas import console, findings, profiling
    from evo_bnas.readout import profile as readout

    opened = open_run(run)
    architecture = parse_key(opened.space, key or findings.choose(opened).key)
    found = profiling.measure(opened, architecture)
    if format_ is Listing.json:
        console.print_json(readout.row(found))
        return
    readout.print_profile(found)
    console.print_next("train it to the end", f"evo-bnas retrain {opened.folder} {found.key}")


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(help="A file of `evo-bnas export --to packed`.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    format_: Annotated[Rows, typer.Option("--format")] = Rows.table,
) -> None:
    """Classify image files with an exported network."""
    from evo_bnas import console
    from evo_bnas.packed import pictures
    from evo_bnas.packed.file import load_packed

    found = pictures.predict(load_packed(file), images)
    if format_ is Rows.table:
        texts = [[one.file, one.label, f"{100 * one.probability:.1f} %"] for one in found]
        console.print_table(["file", "class", "probability"], texts, words=["file", "class"])
        return
    rows = [one.row() for one in found]
    if format_ is Rows.csv:
        console.print_csv(rows)
    else:
        console.print_json(rows)
