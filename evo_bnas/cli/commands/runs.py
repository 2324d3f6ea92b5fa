"""The subcommands of a run: train, search, front, pick, retrain, ranking, and all stages at once."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evo_bnas.cli.app import (
    Address,
    Format,
    ListingFormat,
    Out,
    OutputFormat,
    RecipeOrRun,
    RunFolder,
    Set,
    SkipBad,
    Workers,
    app,
    open_run,
    resources,
)
from evo_bnas.errors import UsageError
from evo_bnas.network.objectives import OBJECTIVES

if TYPE_CHECKING:
    from evo_bnas.run.folder import Run


@app.command()
def run(
    recipe: RecipeOrRun,
    out: Out = None,
    set_: Set = None,
    skip_bad: SkipBad = False,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Do everything: train a supernet, search, pick a network, retrain it.

    The same command resumes after an interruption.
    """
    from evo_bnas.cli import console
    from evo_bnas.cli.output import run as output
    from evo_bnas.run.pipeline import run_all

    started = _start(recipe, out, set_, skip_bad, workers, address)
    output.show(started)
    with console.progress() as report:

        def show(result: object) -> None:
            report.finish()
            output.show(result)

        run_all(started, report, show)
    console.print_next("see other budgets", output.pick_command(started))


@app.command()
def train(recipe: RecipeOrRun, out: Out = None, set_: Set = None, skip_bad: SkipBad = False) -> None:
    """Train the supernet only."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import run as output
    from evo_bnas.run.train import train as train_stage

    started = _start(recipe, out, set_, skip_bad)
    output.show(started)
    with console.progress() as report:
        trained = train_stage(started, report)
    output.show(trained)
    console.print_next("search with it", f"evo-bnas search {started.folder}")


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
    from evo_bnas.cli import console
    from evo_bnas.cli.output import run as output
    from evo_bnas.run.search import search as search_stage

    started = _start(recipe, out, set_, skip_bad, workers, address)
    with console.progress() as report:
        outcome = search_stage(started, report)
    output.show(outcome)
    console.print_next("pick a network", output.pick_command(started))


@app.command()
def front(
    run: RunFolder, format_: Annotated[ListingFormat, typer.Option("--format")] = ListingFormat.table
) -> None:
    """Show the Pareto front of a run."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import run as output
    from evo_bnas.run.results import Results

    results = Results.of(open_run(run))
    if format_ is ListingFormat.table:
        output.print_front(results)
        console.print_next("pick a network", output.pick_command(results.run))
    elif format_ is ListingFormat.csv:
        console.print_csv(output.front_rows(results))
    else:
        console.print_json(output.front_json(results))


def _pick(
    run: RunFolder,
    within: Annotated[str | None, typer.Option(help="The cheapest within this of the lowest error.")] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The knee of the front.")] = False,
    format_: Format = OutputFormat.table,
    **limits: str | None,
) -> None:
    """Pick a network within a budget; without options, as the recipe says."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import run as output
    from evo_bnas.quantity import parse
    from evo_bnas.run.results import Results

    try:
        bounds = {name: parse(text, OBJECTIVES[name].unit) for name, text in limits.items() if text}
        allowance = parse(within) if within else None
    except ValueError as failure:
        raise UsageError(str(failure)) from None
    opened = open_run(run)
    opened.space.check_limits(bounds)
    picked = Results.of(opened).pick(bounds or None, allowance, knee)
    if format_ is OutputFormat.json:
        console.print_json(output.pick_json(picked))
        return
    output.show(picked)
    console.print_next("retrain it", f"evo-bnas retrain {opened.folder} {picked.key}")


def _with_limits(command: Any) -> Any:
    """Give a command one option per objective, so that a new objective needs no change here."""
    own = inspect.signature(command)
    limits = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    objective.option, help=f"Upper limit, such as {objective.example}: {objective.meaning}."
                ),
            ],
        )
        for name, objective in OBJECTIVES.items()
    ]
    kept = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in kept[1:]]
    command.__signature__ = own.replace(parameters=[kept[0], *limits, *keywords])
    command.__annotations__ = {one.name: one.annotation for one in (kept[0], *limits, *keywords)}
    return command


app.command("pick")(_with_limits(_pick))


@app.command()
def retrain(
    run: RunFolder,
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Networks to retrain.")] = None,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Retrain networks: those named, or those that the recipe picks."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import run as output
    from evo_bnas.run.retrain import retrain as retrain_stage

    opened = open_run(run, workers, address)
    with console.progress() as report:
        retrained = retrain_stage(opened, report, keys or None)
    output.show(retrained)
    first = retrained.cards[0].key
    console.print_next("export it for a device", f"evo-bnas export {opened.folder} {first} --to c")


@app.command()
def ranking(
    run: RunFolder,
    networks: Annotated[int, typer.Option(min=3, help="Number of networks, spread over the ops.")] = 24,
    epochs: Annotated[int | None, typer.Option(min=1, help="Per training. [default: the recipe's]")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per network; errors are averaged.")] = 1,
    workers: Workers = None,
    address: Address = None,
    format_: Format = OutputFormat.table,
) -> None:
    """Check how well the supernet ranks networks: train some alone and compare.

    The same command resumes after an interruption; more networks or seeds add to those that are trained.
    """
    from evo_bnas.cli import console
    from evo_bnas.cli.output import ranking as output
    from evo_bnas.cli.output.run import pick_command
    from evo_bnas.run.ranking import check_ranking

    opened = open_run(run, workers, address)
    with console.progress() as report:
        results = check_ranking(opened, networks, epochs=epochs, seeds=seeds, report=report)
    if format_ is OutputFormat.json:
        console.print_json(output.row(opened, results))
        return
    output.print_ranking(opened, results, networks)
    if not results.agreement.gain.positive:
        more = f"evo-bnas ranking {opened.folder} --networks {2 * networks}"
        console.print_next("narrow the intervals", more)
    elif opened.journal_file.exists():
        console.print_next("pick a network", pick_command(opened))
    else:
        console.print_next("search with it", f"evo-bnas search {opened.folder}")


def _start(
    target: str,
    out: Path | None,
    overrides: list[str] | None,
    skip_bad: bool = False,
    workers: int | None = None,
    address: str | None = None,
) -> "Run":
    """The run of a recipe, new or resumed; or the one in a folder."""
    from evo_bnas.cli import console
    from evo_bnas.run.start import resume, start

    chosen = resources(workers, address)
    if Path(target).is_dir():
        if out or overrides or skip_bad:
            raise UsageError(f"{target} is a run already: --out, --set and --skip-bad go with a recipe")
        return resume(Path(target), chosen)
    images = ["data.skip_bad=true"] if skip_bad else []
    with console.progress() as report:
        return start(target, out, [*(overrides or ()), *images, *chosen], report)
