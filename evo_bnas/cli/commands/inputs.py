"""The subcommands that need no run: check images, list spaces, count costs."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evo_bnas.cli.app import KEY, Format, Listing, SkipBad, app, parse_key
from evo_bnas.errors import UsageError

if TYPE_CHECKING:
    from evo_bnas.space.genes import Space


@app.command()
def check(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Recipe, run, or a folder or file of images.")],
    size: Annotated[int | None, typer.Option(help="Side to which images are scaled and cut.")] = None,
    channels: Annotated[int | None, typer.Option(help="1 grey, 3 colour.")] = None,
    skip_bad: SkipBad = False,
    sheet: Annotated[Path | None, typer.Option(metavar="FILE", help="PNG of some images a class.")] = None,
    format_: Format = Listing.table,
) -> None:
    """Look at images before anything is trained: counts, sizes, duplicates, and what is wrong."""
    from evo_bnas.cli import console
    from evo_bnas.cli.dataset import choose_dataset
    from evo_bnas.cli.output import data as output
    from evo_bnas.data import check as checking
    from evo_bnas.plots import contact_sheet

    given = {"size": size, "channels": channels, "skip_bad": skip_bad or None}
    options = {key: value for key, value in given.items() if value is not None}
    choice = choose_dataset(data, options)
    with console.progress() as report:
        found = checking.check(choice.settings, choice.seed, choice.space, report)
    if sheet is not None:
        try:
            contact_sheet.draw(found.raw, found.source, choice.seed, sheet)
        except OSError as failure:
            raise UsageError(f"--sheet {sheet}: {failure.strerror}; name a file to write to") from None
    if format_ is Listing.json:
        console.print_json(output.row(found) | {"sheet": sheet and str(sheet)})
    else:
        output.print_check(found, sheet)
    if found.wrong:
        raise UsageError("\n".join(f"wrong: {sentence}" for sentence in found.wrong))
    if choice.space is not None and not options and format_ is Listing.table:
        console.print_next("train and search", f"evo-bnas run {data}")


@app.command()
def spaces(
    name: Annotated[
        str | None, typer.Argument(help="Space, or YAML file; without it all are listed.")
    ] = None,
    key: Annotated[str | None, typer.Argument(metavar="KEY", help=f"{KEY} to draw.")] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="RECIPE", help="Only those that take its images.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the drawing.")] = Path(),
    format_: Format = Listing.table,
) -> None:
    """List search spaces, show the choices of one, or draw a network of it."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import space as output
    from evo_bnas.space import catalogue

    if name and key:
        _draw(name, key, out, format_)
        return
    if for_:
        if name:
            raise UsageError(f"spaces {name} --for {for_}: --for lists all; leave the name out")
        found = _taking(for_)
    else:
        found = [catalogue.load(one) for one in ([name] if name else catalogue.names())]
    if format_ is Listing.json:
        rows = [output.space_row(space) for space in found]
        console.print_json(rows[0] | {"genes": output.gene_rows(found[0])} if name else rows)
        return
    output.print_spaces(found)
    if name:
        output.print_genes(found[0])
        console.print_next("draw a network of it", f"evo-bnas spaces {name} largest")
    else:
        console.print_next("see the choices of one", f"evo-bnas spaces {found[0].name}")


@app.command()
def cost(
    space: Annotated[str, typer.Argument(help="Space, or YAML file.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help=f"{KEY}.")],
    profile: Annotated[str, typer.Option(help="Counting convention: default or nas-bnn.")] = "default",
    classes: Annotated[int | None, typer.Option(min=2, help="Number of classes, if not the space's.")] = None,
    format_: Format = Listing.table,
) -> None:
    """Count what a network costs, layer by layer."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import space as output
    from evo_bnas.network.card import cost_values
    from evo_bnas.network.cost import cost as count
    from evo_bnas.space import catalogue

    loaded = catalogue.load(space)
    fitted = loaded.fit(loaded.image, classes) if classes else loaded
    architecture = parse_key(fitted, key)
    try:
        counted = count(fitted.draw(architecture), profile)
    except ValueError as failure:
        raise UsageError(f"--profile: {failure}") from None
    if format_ is Listing.json:
        console.print_json({"key": architecture.key, "profile": profile, **cost_values(counted)})
        return
    output.print_cost(fitted, architecture, profile, counted)


def _taking(recipe: str) -> "list[Space]":
    """The shipped spaces that take the images of a recipe, fitted to them."""
    from evo_bnas import recipe as recipes
    from evo_bnas.data.source import describe
    from evo_bnas.space import catalogue

    image, classes = describe(recipes.load(recipe).data)
    found = catalogue.taking(image, classes)
    if not found:
        sides = sorted({catalogue.load(name).sides for name in catalogue.names()})
        ranges = ", ".join(f"{least} to {greatest}" for least, greatest in sides)
        raise UsageError(
            f"{recipe}: no shipped space takes images of {image[1]}x{image[2]}, but {ranges} pixels a side; "
            "set data.size, or write a space of your own"
        )
    return found


def _draw(name: str, key: str, folder: Path, format_: Listing) -> None:
    """Draw a network into the folder, as SVG and PNG, and print what it costs."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import space as output
    from evo_bnas.files.atomic import file_name
    from evo_bnas.network.card import cost_values
    from evo_bnas.plots.network.drawing import draw_network
    from evo_bnas.space import catalogue

    space = catalogue.load(name)
    architecture = parse_key(space, key)
    counted = space.cost(architecture)
    stem = file_name(f"{space.name}-{architecture.key}")
    paths = [folder / f"{stem}.{form}" for form in ("svg", "png")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draw_network(space.draw(architecture), counted, f"{space.name}  {architecture.key}", paths)
    except OSError as failure:
        raise UsageError(f"--out {folder}: {failure.strerror}; name a folder to write to") from None
    if format_ is Listing.json:
        files = list(map(str, paths))
        console.print_json({"key": architecture.key, **cost_values(counted), "drawings": files})
        return
    output.print_cost(space, architecture, "default", counted)
    console.say("drawn   " + "\n        ".join(map(str, paths)))
    again = shlex.join(["evo-bnas", "cost", name, architecture.key, "--profile", "nas-bnn"])
    console.print_next("count it as NAS-BNN does", again)
