"""What the subcommands print about runs, fronts, picks and retrained networks."""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

from evo_bnas.archive.front import knee
from evo_bnas.archive.limits import conditions
from evo_bnas.archive.pick import Pick
from evo_bnas.cli.console import objective_values, print_table, say, show_objective, title
from evo_bnas.cli.output.space import count_text
from evo_bnas.data.cache import skipped_images
from evo_bnas.quantity import brief
from evo_bnas.quantity import show as show_quantity
from evo_bnas.run.folder import Run
from evo_bnas.run.outcomes import RetrainedNetworks, SearchOutcome, TrainedSupernet
from evo_bnas.run.results import Results

_SKIPPED = 3  # images that are named


@singledispatch
def show(result: object) -> None:
    """Print a run, or what a stage returned."""
    raise TypeError(f"nothing is printed for {type(result).__name__}")


@show.register
def _(run: Run) -> None:
    """What was read, and what will be done."""
    recipe, space, compute = run.recipe, run.space, run.compute
    least, most = space.bounds("ops")
    epochs = recipe.retrain.real_epochs + recipe.retrain.epochs
    say(
        f"run     {run.folder}\n"
        f"data    {recipe.data.name}: {'×'.join(map(str, space.image))}, {space.classes} classes\n"
        f"{_left_out(skipped_images(run.data))}"
        f"space   {space.name}: {count_text(space)} architectures, "
        f"{show_quantity(least)} to {show_quantity(most)} ops\n"
        f"plan    train a supernet for {recipe.supernet.epochs} epochs; "
        f"score {recipe.search.evaluations} networks ({recipe.search.explorer}; "
        f"{', '.join(recipe.search.objectives)});\n"
        f"        pick within {conditions(recipe.pick.limits) or 'no limits'}; "
        f"retrain for {epochs} epochs from {recipe.retrain.source}\n"
        f"compute {compute.device}, {compute.precision}, scores {compute.backend}, "
        f"threads {compute.threads}, seed {recipe.seed}\n"
    )


@show.register
def _(supernet: TrainedSupernet) -> None:
    say(f"supernet {'found' if supernet.existed else 'trained'}: {supernet.file}")


@show.register
def _(outcome: SearchOutcome) -> None:
    """Why the search ended, the quality of its surrogate, and the front."""
    say(f"search ended: {outcome.reason}")
    if outcome.rounds:
        fallbacks = sum(not quality.trusted for quality in outcome.rounds)
        say(
            f"{outcome.rounds[-1]}; {fallbacks} of {len(outcome.rounds)} rounds fell back to NSGA-II; "
            f"details in {outcome.results.run.rounds_csv}"
        )
    say()
    print_front(outcome.results)


@show.register
def _(picked: Pick) -> None:
    """The picked network, why it was picked, and the next best."""
    values = objective_values(picked.objectives)
    texts = [f"{title(name)} {show_objective(name, value)}" for name, value in values.items()]
    say(f"\npick       {picked.key}\n           {', '.join(texts)}\n           {picked.reason}")
    if picked.runner_up:
        say(f"runner-up  {picked.runner_up}")
    say()


@show.register
def _(retrained: RetrainedNetworks) -> None:
    """Accuracies of retrained networks side by side, and where their files are."""
    rows = []
    for card in retrained.cards:
        errors = (card.supernet_search_error, card.inherited_test_error, card.test_error)
        texts = [show_objective("error", error) for error in errors]
        rows.append([*texts, show_objective("ops", card.cost["ops"]), card.key])
    columns = ["top-1 in search", "test, inherited", "test, retrained", "ops", "network"]
    print_table(columns, rows, left=["network"])
    for card in retrained.cards:
        say(f"weights and card: {retrained.run.pick_folder(card.key)}")


def print_front(results: Results) -> None:
    """The front, cheapest first, with its knee and the recipe's pick marked."""
    picked = results.recipe_pick
    front, objectives = results.front, results.run.recipe.search.objectives
    shown = list(dict.fromkeys(["error", "ops", "params", "size_bits", *objectives]))
    bend = knee(front, objectives)["key"]
    rows = []
    for row in front.to_dict("records"):
        marks = ["pick"] * (picked is not None and row["key"] == picked.key) + ["knee"] * (row["key"] == bend)
        rows.append([*(show_objective(name, row[name]) for name in shown), row["key"], ", ".join(marks)])
    print_table([*map(title, shown), "network", ""], rows, left=["network", ""])
    say(
        f"\n{len(front)} of {len(results.frame)} networks are on the front of {', '.join(objectives)}; "
        f"hypervolume {results.hypervolume:.4f}"
    )
    if results.run.front_png.exists():
        say(f"figure: {results.run.front_png}")


def front_rows(results: Results) -> list[Mapping[str, object]]:
    """The front as rows; missing values are None."""
    table = results.front_table
    complete = table.astype(object).where(table.notna(), None)
    return [dict(zip(table.columns, row, strict=True)) for row in complete.itertuples(index=False)]


def front_json(results: Results) -> dict[str, Any]:
    """The front as JSON values."""
    return {
        "objectives": list(results.run.recipe.search.objectives),
        "hypervolume": results.hypervolume,
        "front": front_rows(results),
    }


def pick_json(picked: Pick) -> dict[str, Any]:
    """A pick as JSON values."""
    return {
        "key": picked.key,
        **objective_values(picked.objectives),
        "runner_up": picked.runner_up,
        "equals": picked.equals,
        "reason": picked.reason,
    }


def pick_command(run: Run) -> str:
    """A pick within a budget in the middle of the space: a round number that some network meets."""
    least, most = run.space.bounds("ops")
    middle = (least * most) ** 0.5
    rounded = (float(f"{middle:.{digits}g}") for digits in (1, 2, 3))
    budget = next((value for value in rounded if value >= least), most)
    return f"evo-bnas pick {run.folder} --ops {brief(budget)}"


def _left_out(skipped: Sequence[str]) -> str:
    """Lines about images that could not be read."""
    if not skipped:
        return ""
    number = "1 image is" if len(skipped) == 1 else f"{len(skipped):,} images are"
    more = [f"and {len(skipped) - _SKIPPED:,} more"] if len(skipped) > _SKIPPED else []
    lines = "".join(f"        {line}\n" for line in [*skipped[:_SKIPPED], *more])
    return f"        {number} left out as unreadable:\n{lines}"
