"""The command line: verbs that parse, call the workflow, and print the result and what comes next."""

import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from evo_bnas.errors import UsageError

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


class Target(StrEnum):
    """What a network is exported to."""

    packed = "packed"
    c = "c"
    onnx = "onnx"


class _Verbs(TyperGroup):
    """Turns what a user can cause into one or two lines and an exit code: 2 wrong use, 130 interrupted."""

    def invoke(self, ctx: Any) -> Any:
        from evo_bnas import console

        try:
            return super().invoke(ctx)
        except UsageError as failure:
            console.complain(str(failure))
            raise typer.Exit(2) from None
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
_KEY = "Key of a network, smallest, largest or random"
Format = Annotated[Listing, typer.Option("--format", help="For a person, or for a script.")]


@app.command()
def run(recipe: RecipeOrRun, out: Out = None, set_: Set = None) -> None:
    """Do everything: train a supernet, search, pick a network, train it to the end.

    Called again it goes on where it was, also after a kill.
    """
    from evo_bnas import console, findings, readout

    begun = _begin(recipe, out, set_)
    readout.introduce(begun)
    _train(begun)
    _search(begun)
    chosen = findings.choose(begun)
    readout.print_front(begun, chosen)
    readout.print_pick(chosen)
    _retrain(begun, list(chosen.order[: begun.recipe.retrain.top]))
    console.print_next("see other budgets", f"evo-bnas pick {begun.folder} --ops 30k")


@app.command()
def train(recipe: RecipeOrRun, out: Out = None, set_: Set = None) -> None:
    """Train the supernet only."""
    from evo_bnas import console, readout

    begun = _begin(recipe, out, set_)
    readout.introduce(begun)
    _train(begun)
    console.print_next("search with it", f"evo-bnas search {begun.folder}")


@app.command()
def search(recipe: RecipeOrRun, out: Out = None, set_: Set = None) -> None:
    """Search with the trained supernet."""
    from evo_bnas import console, readout

    begun = _begin(recipe, out, set_)
    if not begun.supernet_file.exists():
        raise UsageError(f"{begun.folder}: has no trained supernet yet; run evo-bnas train {recipe}")
    _search(begun)
    readout.print_front(begun, None)
    console.print_next("pick a network", f"evo-bnas pick {begun.folder} --ops 20k")


@app.command()
def front(run: RunFolder, format_: Annotated[Rows, typer.Option("--format")] = Rows.table) -> None:
    """Show the Pareto front of a run."""
    from evo_bnas import console, findings, readout

    opened = _open(run)
    if format_ is Rows.table:
        readout.print_front(opened, None)
        console.print_next("pick a network", f"evo-bnas pick {opened.folder} --ops 20k")
        return
    best = findings.best(opened).drop(columns=["correct", "status"])
    complete = best.astype(object).where(best.notna(), None)
    rows = [dict(zip(best.columns, row, strict=True)) for row in complete.itertuples(index=False)]
    if format_ is Rows.csv:
        console.print_csv(rows)
    else:
        objectives = list(opened.recipe.search.objectives)
        console.print_json({"objectives": objectives, "hypervolume": findings.covered(opened), "front": rows})


@app.command()
def pick(
    run: RunFolder,
    ops: Annotated[str | None, typer.Option(help="At most so many ops, such as 20k.")] = None,
    size: Annotated[str | None, typer.Option(help="At most this size, such as 200kB.")] = None,
    params: Annotated[str | None, typer.Option(help="At most so many weights.")] = None,
    bops: Annotated[str | None, typer.Option(help="At most so many binary MACs.")] = None,
    flops: Annotated[str | None, typer.Option(help="At most so many real MACs.")] = None,
    memory: Annotated[str | None, typer.Option(help="At most this peak activation memory.")] = None,
    latency: Annotated[
        str | None, typer.Option(help="At most so many ms, where the search measured latency.")
    ] = None,
    error: Annotated[str | None, typer.Option(help="At most this error, such as 5%.")] = None,
    within: Annotated[str | None, typer.Option(help="The cheapest within this of the best error.")] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The bend of the front.")] = False,
    format_: Format = Listing.table,
) -> None:
    """Pick a network under a budget; without options, as the recipe says."""
    from evo_bnas import console, findings, readout
    from evo_bnas.quantity import parse
    from evo_bnas.score import OBJECTIVES

    asked = {
        "ops": ops,
        "size_bits": size,
        "params": params,
        "bops": bops,
        "flops": flops,
        "peak_activation_bytes": memory,
        "latency_ms": latency,
        "error": error,
    }
    try:
        limits = {name: parse(text, OBJECTIVES[name].unit) for name, text in asked.items() if text}
        share = parse(within) if within else None
    except ValueError as failure:
        raise UsageError(str(failure)) from None
    opened = _open(run)
    opened.space.check_limits(limits)
    chosen = findings.choose(opened, limits or None, share, knee)
    if format_ is Listing.json:
        console.print_json(
            {
                "key": chosen.key,
                **console.objective_values(chosen.objectives),
                "runner_up": chosen.runner_up,
                "equals": chosen.equals,
                "reason": chosen.reason,
            }
        )
        return
    readout.print_pick(chosen)
    console.print_next("train it to the end", f"evo-bnas retrain {opened.folder} {chosen.key}")


@app.command()
def retrain(
    run: RunFolder,
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Networks to train.")] = None,
) -> None:
    """Train picked networks to the end: those named, or those that the recipe picks."""
    from evo_bnas import console, findings

    opened = _open(run)
    if opened.recipe.retrain.source == "supernet":
        opened.need_supernet()
    chosen = keys or list(findings.choose(opened).order[: opened.recipe.retrain.top])
    _retrain(opened, chosen)
    console.print_next("take it to a device", f"evo-bnas export {opened.folder} {chosen[0]} --to c")


@app.command()
def fidelity(
    run: RunFolder,
    networks: Annotated[int, typer.Option(min=3, help="So many networks, spread over the ops.")] = 24,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of a training, if not the recipe's.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each network; errors are averaged.")] = 1,
    format_: Format = Listing.table,
) -> None:
    """Train networks alone to see how well the supernet ranks them.

    Called again it goes on where it was; more networks or seeds add to those that are trained.
    """
    from evo_bnas import console, readout_fidelity
    from evo_bnas.fidelity import measure

    opened = _open(run)
    with console.progress() as report:
        found = measure(opened, networks, epochs=epochs, seeds=seeds, report=report)
    if format_ is Listing.json:
        console.print_json(readout_fidelity.row(opened, found))
        return
    readout_fidelity.print_fidelity(opened, found, networks)
    if not found.agreement.gain.positive:
        more = f"evo-bnas fidelity {opened.folder} --networks {2 * networks}"
        console.print_next("narrow the intervals", more)
    elif opened.journal_file.exists():
        console.print_next("pick a network", f"evo-bnas pick {opened.folder} --ops 20k")
    else:
        console.print_next("search with it", f"evo-bnas search {opened.folder}")


@app.command()
def spaces(
    name: Annotated[
        str | None, typer.Argument(help="Space, or YAML file; without it all are listed.")
    ] = None,
    key: Annotated[str | None, typer.Argument(metavar="KEY", help=f"{_KEY} to draw.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the drawing.")] = Path(),
    format_: Format = Listing.table,
) -> None:
    """List search spaces, show the choices of one, or draw a network of it."""
    from evo_bnas import console, readout_space
    from evo_bnas.space import catalogue

    if name and key:
        _draw(name, key, out, format_)
        return
    found = [catalogue.load(one) for one in ([name] if name else catalogue.names())]
    if format_ is Listing.json:
        rows = [readout_space.space_row(space) for space in found]
        console.print_json(rows[0] | {"genes": readout_space.gene_rows(found[0])} if name else rows)
        return
    readout_space.print_spaces(found)
    if name:
        readout_space.print_genes(found[0])
        console.print_next("draw a network of it", f"evo-bnas spaces {name} largest")
    else:
        console.print_next("see the choices of one", f"evo-bnas spaces {found[0].name}")


@app.command()
def cost(
    space: Annotated[str, typer.Argument(help="Space, or YAML file.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help=f"{_KEY}.")],
    profile: Annotated[str, typer.Option(help="Counting convention: default or nas-bnn.")] = "default",
    classes: Annotated[int | None, typer.Option(min=2, help="Number of classes, if not the space's.")] = None,
    format_: Format = Listing.table,
) -> None:
    """Count what a network costs, layer by layer."""
    from evo_bnas import console, readout_space
    from evo_bnas.card import cost_rows
    from evo_bnas.cost import cost as count
    from evo_bnas.space import catalogue

    loaded = catalogue.load(space)
    fitted = loaded.fit(loaded.image, classes) if classes else loaded
    architecture = _architecture(fitted, key)
    try:
        counted = count(fitted.draw(architecture), profile)
    except ValueError as failure:
        raise UsageError(f"--profile: {failure}") from None
    if format_ is Listing.json:
        console.print_json({"key": architecture.key, "profile": profile, **cost_rows(counted)})
        return
    readout_space.print_cost(fitted, architecture, profile, counted)


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
    from evo_bnas.export import readout, targets

    network, written = targets.export(_open(run), key, to.value, out)
    readout.print_export(network, written)
    console.print_next("use it", written.command)


@app.command()
def profile(
    run: RunFolder,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help=f"{_KEY}. [default: the recipe's pick]")
    ] = None,
    format_: Format = Listing.table,
) -> None:
    """Measure where the time of a network goes on this host, node by node.

    One image at a time on one thread, by 1-bit execution. Weights have no say in it: the network need not
    be trained.
    """
    from evo_bnas import console, findings, profiling, readout_profile

    opened = _open(run)
    architecture = _architecture(opened.space, key or findings.choose(opened).key)
    found = profiling.measure(opened, architecture)
    if format_ is Listing.json:
        console.print_json(readout_profile.row(found))
        return
    readout_profile.print_profile(found)
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


def main() -> None:
    """The entry point of the `evo-bnas` command."""
    # Read when torch is loaded. By default its threads spin while they wait for each other: with one other
    # busy process on two cores, a training step took twenty times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()


def _begin(target: str, out: Path | None, overrides: list[str] | None) -> "Run":
    """The run of a recipe, new or continued; or the one in a folder."""
    from evo_bnas.run import Run

    if Path(target).is_dir():
        if out or overrides:
            raise UsageError(f"{target} is a run already: --out and --set go with a recipe")
        return Run.open(Path(target))
    from evo_bnas import beginning

    return beginning.start(target, out, overrides or ())


def _open(target: str) -> "Run":
    """The run in a folder, or that of a recipe in its usual folder."""
    from evo_bnas.run import OUT, Run

    usual = OUT / target
    return Run.open(usual if not Path(target).exists() and usual.is_dir() else Path(target))


def _architecture(space: "Space", key: str) -> "Architecture":
    if key == "random":
        import numpy as np

        return space.sample(np.random.default_rng())
    if key in ("smallest", "largest"):
        return space.smallest() if key == "smallest" else space.largest()
    try:
        return space.parse(key)
    except ValueError as failure:
        raise UsageError(str(failure)) from None


def _draw(name: str, key: str, folder: Path, format_: Listing) -> None:
    """Draw a network into the folder, as SVG and PNG, and print what it costs."""
    from evo_bnas import console, readout_space
    from evo_bnas.card import cost_rows
    from evo_bnas.diagram.picture import draw_network
    from evo_bnas.durable import file_name
    from evo_bnas.space import catalogue

    space = catalogue.load(name)
    architecture = _architecture(space, key)
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
        console.print_json({"key": architecture.key, **cost_rows(counted), "drawings": files})
        return
    readout_space.print_cost(space, architecture, "default", counted)
    console.say("drawn   " + "\n        ".join(map(str, paths)))
    again = shlex.join(["evo-bnas", "cost", name, architecture.key, "--profile", "nas-bnn"])
    console.print_next("count it as NAS-BNN does", again)


def _train(run: "Run") -> None:
    from evo_bnas import console, workflow

    known = run.supernet_file.exists()
    with console.progress() as report:
        workflow.train(run, report)
    console.say(f"supernet {'found' if known else 'trained'}: {run.supernet_file}")


def _search(run: "Run") -> None:
    from evo_bnas import console, workflow

    with console.progress() as report:
        sentences = workflow.search(run, report)
    console.say("search ended: " + "\n".join(sentences) + "\n")


def _retrain(run: "Run", keys: list[str]) -> None:
    from evo_bnas import console, readout, workflow

    cards = []
    for key in keys:
        with console.progress() as report:
            cards.append(workflow.retrain(run, key, report))
    readout.print_cards(run, cards)
