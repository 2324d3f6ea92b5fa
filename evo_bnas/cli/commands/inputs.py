"""The subcommands that need no run: check images, list spaces, count costs."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evo_bnas.cli.app import KEY, Format, OutputFormat, SkipBad, app, parse_key
from evo_bnas.errors import UsageError

if TYPE_CHECKING:
    from evo_bnas.space.genes import Space


@app.command()
def check(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Recipe, run, or a folder or file of images.")],
    size: Annotated[
        int | None, typer.Option(help="Side in pixels: images are scaled to it and cropped.")
    ] = None,
    channels: Annotated[int | None, typer.Option(help="1 grey, 3 colour.")] = None,
    skip_bad: SkipBad = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw some images of each class into this PNG file.")
    ] = None,
    format_: Format = OutputFormat.table,
) -> None:
    """Check images before training: counts, sizes, duplicates, problems."""
    from evo_bnas.cli import console
    from evo_bnas.cli.dataset import choose_dataset
    from evo_bnas.cli.output import data as output
    from evo_bnas.data import check as checking
    from evo_bnas.plots import contact_sheet

    given = {"size": size, "channels": channels, "skip_bad": skip_bad or None}
    options = {key: value for key, value in given.items() if value is not None}
    choice = choose_dataset(data, options)
    with console.progress() as report:
        checked = checking.check(choice.settings, choice.seed, choice.space, report)
    if sheet is not None:
        try:
            contact_sheet.draw(checked.images, checked.source, choice.seed, sheet)
        except OSError as failure:
            raise UsageError(f"--sheet {sheet}: {failure.strerror}; name a file to write to") from None
    if format_ is OutputFormat.json:
        console.print_json(output.row(checked) | {"sheet": sheet and str(sheet)})
    else:
        output.print_check(checked, sheet)
    if checked.problems:
        raise UsageError("\n".join(f"problem: {problem}" for problem in checked.problems))
    if choice.space is not None and not options and format_ is OutputFormat.table:
        console.print_next("train and search", f"evo-bnas run {data}")


@app.command()
def spaces(
    name: Annotated[str | None, typer.Argument(help="Space, or YAML file. [default: list all]")] = None,
    key: Annotated[str | None, typer.Argument(metavar="KEY", help=f"{KEY} to draw.")] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="RECIPE", help="Only spaces that accept its images.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the drawing.")] = Path(),
    format_: Format = OutputFormat.table,
) -> None:
    """List search spaces, show the genes of one, or draw one of its networks."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import space as output
    from evo_bnas.space import catalogue

    if name and key:
        _draw(name, key, out, format_)
        return
    if for_:
        if name:
            raise UsageError(f"spaces {name} --for {for_}: --for lists spaces; leave out the name")
        listed = _accepting(for_)
    else:
        listed = [catalogue.load(one) for one in ([name] if name else catalogue.names())]
    if format_ is OutputFormat.json:
        rows = [output.space_row(space) for space in listed]
        console.print_json(rows[0] | {"genes": output.gene_rows(listed[0])} if name else rows)
        return
    output.print_spaces(listed)
    if name:
        output.print_genes(listed[0])
        console.print_next("draw a network of it", f"evo-bnas spaces {name} largest")
    else:
        console.print_next("show the genes of one", f"evo-bnas spaces {listed[0].name}")


@app.command()
def cost(
    space: Annotated[str, typer.Argument(help="Space, or YAML file.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help=f"{KEY}.")],
    profile: Annotated[str, typer.Option(help="Counting convention: default or nas-bnn.")] = "default",
    classes: Annotated[
        int | None, typer.Option(min=2, help="Number of classes. [default: the space's]")
    ] = None,
    format_: Format = OutputFormat.table,
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
    if format_ is OutputFormat.json:
        console.print_json({"key": architecture.key, "profile": profile, **cost_values(counted)})
        return
    output.print_cost(fitted, architecture, profile, counted)


def _accepting(recipe: str) -> "list[Space]":
    """The shipped spaces that accept the images of a recipe, fitted to them."""
    from evo_bnas import recipe as recipes
    from evo_bnas.data.source import describe
    from evo_bnas.space import catalogue

    image, classes = describe(recipes.load(recipe).data)
    accepting = catalogue.taking(image, classes)
    if not accepting:
        sides = sorted({catalogue.load(name).sides for name in catalogue.names()})
        ranges = ", ".join(f"{least} to {greatest}" for least, greatest in sides)
        raise UsageError(
            f"{recipe}: no shipped space accepts images of {image[1]}x{image[2]} pixels, only sides of "
            f"{ranges}; set data.size, or write your own space"
        )
    return accepting


def _draw(name: str, key: str, folder: Path, format_: OutputFormat) -> None:
    """Draw a network as SVG and PNG, and print its cost."""
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
    if format_ is OutputFormat.json:
        files = list(map(str, paths))
        console.print_json({"key": architecture.key, **cost_values(counted), "drawings": files})
        return
    output.print_cost(space, architecture, "default", counted)
    console.say("figures " + "\n        ".join(map(str, paths)))
    again = shlex.join(["evo-bnas", "cost", name, architecture.key, "--profile", "nas-bnn"])
    console.print_next("count it with the convention of NAS-BNN", again)
