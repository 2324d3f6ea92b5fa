"""The verbs of a run: train, search, front, pick, retrain, fidelity, and all of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evo_bnas.cli.app import (
    Address,
    Format,
    Listing,
    Out,
    RecipeOrRun,
    Rows,
    RunFolder,
    Set,
    SkipBad,
    Workers,
    app,
    hands,
    open_run,
)
from evo_bnas.errors import UsageError

if TYPE_CHECKING:
    from evo_bnas.run import Run


@app.command()
def run(
    recipe: RecipeOrRun,
    out: Out = None,
    set_: Set = None,
    skip_bad: SkipBad = False,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Do everything: train a supernet, search, pick a network, train it to the end.

    Called again it goes on where it was, also after a kill.
    """
    from evo_bnas import console, findings
    from evo_bnas.readout import run as readout

    begun = _begin(recipe, out, set_, skip_bad, workers, address)
    readout.introduce(begun)
    _train(begun)
    _search(begun)
    chosen = findings.choose(begun)
    readout.print_front(begun, chosen)
    readout.print_pick(chosen)
    _retrain(begun, list(chosen.order[: begun.recipe.retrain.top]))
    console.print_next("see other budgets", _pick_command(begun))


@app.command()
def train(recipe: RecipeOrRun, out: Out = None, set_: Set = None, skip_bad: SkipBad = False) -> None:
    """Train the supernet only."""
    from evo_bnas import console
    from evo_bnas.readout import run as readout

    begun = _begin(recipe, out, set_, skip_bad)
    readout.introduce(begun)
    _train(begun)
    console.print_next("search with it", f"evo-bnas search {begun.folder}")


@app.command()
def search(
    recipe: RecipeOrRun,
    out: Out = None,
    set_: Set = None,
    skip_bad: SkipBad = False,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Search with the trained supernet."""
    from evo_bnas import console
    from evo_bnas.readout import run as readout

    begun = _begin(recipe, out, set_, skip_bad, workers, address)
    if not begun.supernet_file.exists():
        raise UsageError(f"{begun.folder}: has no trained supernet yet; run evo-bnas train {recipe}")
    _search(begun)
    readout.print_front(begun, None)
    console.print_next("pick a network", _pick_command(begun))


@app.command()
def front(run: RunFolder, format_: Annotated[Rows, typer.Option("--format")] = Rows.table) -> None:
    """Show the Pareto front of a run."""
    from evo_bnas import console, findings
    from evo_bnas.readout import run as readout

    opened = open_run(run)
    if format_ is Rows.table:
        readout.print_front(opened, None)
        console.print_next("pick a network", _pick_command(opened))
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
    from evo_bnas import console, findings
    from evo_bnas.quantity import parse
    from evo_bnas.readout import run as readout
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
    opened = open_run(run)
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
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Train picked networks to the end: those named, or those that the recipe picks."""
    from evo_bnas import console, findings

    opened = open_run(run, workers, address)
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
    workers: Workers = None,
    address: Address = None,
    format_: Format = Listing.table,
) -> None:
    """Train networks alone to see how well the supernet ranks them.

    Called again it goes on where it was; more networks or seeds add to those that are trained.
    """
    from evo_bnas import console
    from evo_bnas.fidelity import measure
    from evo_bnas.readout import fidelity as readout

    opened = open_run(run, workers, address)
    with console.progress() as report:
        found = measure(opened, networks, epochs=epochs, seeds=seeds, report=report)
    if format_ is Listing.json:
        console.print_json(readout.row(opened, found))
        return
    readout.print_fidelity(opened, found, networks)
    if not found.agreement.gain.positive:
        more = f"evo-bnas fidelity {opened.folder} --networks {2 * networks}"
        console.print_next("narrow the intervals", more)
    elif opened.journal_file.exists():
        console.print_next("pick a network", _pick_command(opened))
    else:
        console.print_next("search with it", f"evo-bnas search {opened.folder}")


def _begin(
    target: str,
    out: Path | None,
    overrides: list[str] | None,
    skip_bad: bool = False,
    workers: int | None = None,
    address: str | None = None,
) -> "Run":
    """The run of a recipe, new or continued; or the one in a folder."""
    from evo_bnas import beginning, console

    changes = hands(workers, address)
    if Path(target).is_dir():
        if out or overrides or skip_bad:
            raise UsageError(f"{target} is a run already: --out, --set and --skip-bad go with a recipe")
        return beginning.resume(Path(target), changes)
    images = ["data.skip_bad=true"] if skip_bad else []
    with console.progress() as report:
        return beginning.start(target, out, [*(overrides or ()), *images, *changes], report)


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
    from evo_bnas import console, workflow
    from evo_bnas.readout import run as readout

    with console.progress() as report:
        cards = workflow.retrain_all(run, keys, report)
    readout.print_cards(run, cards)


def _pick_command(run: "Run") -> str:
    """A pick under a budget in the middle of the space, in a round number that some network keeps to."""
    from evo_bnas.quantity import brief

    least, most = run.space.bounds("ops")
    middle = (least * most) ** 0.5
    rounded = (float(f"{middle:.{digits}g}") for digits in (1, 2, 3))
    budget = next((value for value in rounded if value >= least), most)
    return f"evo-bnas pick {run.folder} --ops {brief(budget)}"
