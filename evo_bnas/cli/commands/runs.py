"""The subcommands of a run: train, search, front, pick, retrain, ranking, and all stages at once."""

import inspect
from collections.abc import Mapping
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
    """Do everything: train a supernet, search, confirm the best, pick a network, retrain it.

    The same command resumes after an interruption.
    """
    from evo_bnas.cli import console
    from evo_bnas.cli.output import ladder
    from evo_bnas.cli.output import run as output
    from evo_bnas.run.pipeline import run_all

    started = _start(recipe, out, set_, skip_bad, workers, address)
    output.show(started)
    with console.progress() as report:

        def show(result: object) -> None:
            report.finish()
            output.show(result)

        results = run_all(started, report, show)
    ladder.print_ladder(ladder.draw_ladder(results, "ops", ladder.budgets_of_recipe(results)))
    console.print_next("see more budgets", f"evo-bnas pick {started.folder} --front 6")


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
    if started.recipe.confirm.rungs:
        console.print_next("confirm the best", f"evo-bnas confirm {started.folder}")
    else:
        console.print_next("pick a network", output.pick_command(started))


@app.command()
def confirm(run: RunFolder, workers: Workers = None, address: Address = None) -> None:
    """Look at the best networks of the search again, by short trainings."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import run as output
    from evo_bnas.run.confirm import confirm as confirm_stage
    from evo_bnas.run.results import Results

    opened = open_run(run, workers, address)
    if not opened.recipe.confirm.rungs:
        raise UsageError(
            f"{opened.folder}: confirm.networks is 0 in its recipe; set it in another run with --out"
        )
    with console.progress() as report:
        confirmed = confirm_stage(opened, Results.of(opened), report)
    output.show(confirmed)
    console.print_next("pick a network", output.pick_command(opened))


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
        output.print_front(results, results.recipe_pick)
        console.print_next("pick a network", output.pick_command(results.run))
    elif format_ is ListingFormat.csv:
        console.print_csv(output.front_rows(results))
    else:
        console.print_json(output.front_json(results))


def _pick(
    run: RunFolder,
    within: Annotated[
        str | None, typer.Option(help="The cheapest within this of the lowest expected error, such as 1%.")
    ] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The knee of the front of expected errors.")] = False,
    ladder: Annotated[
        str | None, typer.Option(help="One pick for each budget: 10k,20k,50k (of ops) or size=10kB,20kB.")
    ] = None,
    front: Annotated[
        int | None, typer.Option(min=2, help="Picks for this many budgets of ops, evenly spaced.")
    ] = None,
    format_: Format = OutputFormat.table,
    **limits: str | None,
) -> None:
    """Pick a network within a budget, or one for each of several; without options, as the recipe says."""
    from evo_bnas.cli import console
    from evo_bnas.cli.output import run as output
    from evo_bnas.run.results import Results

    _check_one_of({"--within": within, "--knee": knee, "--ladder": ladder, "--front": front})
    bounds = {name: _limit(name, text) for name, text in limits.items() if text}
    allowance = _allowance(within) if within else None
    opened = open_run(run)
    opened.space.check_limits(bounds)
    if several := ladder or front:
        _pick_several(opened, bounds, several, format_)
        return
    picked = Results.of(opened).pick(bounds or None, allowance, knee)
    if format_ is OutputFormat.json:
        console.print_json(output.pick_json(picked))
        return
    output.show(picked)
    console.print_next("retrain it", f"evo-bnas retrain {opened.folder} {picked.key}")


def _pick_several(
    run: "Run", bounds: Mapping[str, float], budgets_or_number: str | int, format_: OutputFormat
) -> None:
    """One pick for each budget of a ladder, or for this many budgets of ops."""
    from evo_bnas.cli import console
    from evo_bnas.cli.ladder import parse_ladder
    from evo_bnas.cli.output import ladder as output
    from evo_bnas.run.results import Results

    results = Results.of(run)
    if isinstance(budgets_or_number, int):
        cost, budgets = "ops", results.budgets(budgets_or_number, bounds or None)
    else:
        cost, budgets = parse_ladder(budgets_or_number)
        if cost in bounds:
            option = OBJECTIVES[cost].option
            raise UsageError(
                f"--ladder {budgets_or_number} and {option} both limit {cost}; leave out {option}"
            )
        run.space.check_limits({cost: budgets[0]})
    picked = output.draw_ladder(results, cost, budgets, bounds or None)
    if format_ is OutputFormat.json:
        console.print_json(output.ladder_json(picked))
        return
    output.print_ladder(picked)
    if picked.untrained:
        console.print_next("retrain them", f"evo-bnas retrain {run.folder} {' '.join(picked.untrained)}")


def _limit(name: str, text: str) -> float:
    """The limit on an objective that an option sets; raises UsageError for text that is not a quantity."""
    from evo_bnas.quantity import parse_option

    objective = OBJECTIVES[name]
    try:
        return parse_option(text, objective.unit)
    except ValueError as failure:
        raise UsageError(f"{objective.option}: {failure}") from None


def _allowance(text: str) -> float:
    """The difference of error that `--within` allows, a fraction; raises UsageError for other text."""
    from evo_bnas.quantity import parse

    try:
        return parse(text, "fraction")
    except ValueError as failure:
        raise UsageError(f"--within: {failure}") from None


def _check_one_of(options: Mapping[str, str | int | None]) -> None:
    """Raise UsageError if several of the options are given, which are different ways to pick."""
    given = [name if value is True else f"{name} {value}" for name, value in options.items() if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are different ways to pick; use one of them")


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
