"""What the subcommands print about runs, fronts, picks and retrained networks."""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

import pandas as pd

from evo_bnas.archive.front import knee
from evo_bnas.archive.limits import conditions
from evo_bnas.archive.pick import Pick
from evo_bnas.cli.console import objective_values, print_table, say, show_objective, title, warn
from evo_bnas.cli.output.space import count_text
from evo_bnas.data.cache import skipped_images
from evo_bnas.quantity import brief
from evo_bnas.quantity import show as show_quantity
from evo_bnas.run.folder import Run
from evo_bnas.run.outcomes import Confirmed, RetrainedNetworks, SearchOutcome, TrainedSupernet
from evo_bnas.run.results import Results
from evo_bnas.train.settings import TrainingSettings

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
    shape = "×".join(map(str, space.image))
    say(
        f"run     {run.folder}\n"
        f"data    {recipe.data.name}: {shape}, {space.classes} classes; {_splits(run)}\n"
        f"{_left_out(skipped_images(run.data))}"
        f"space   {space.name}: {count_text(space)} architectures, "
        f"{show_quantity(least)} to {show_quantity(most)} ops\n"
        f"{_plan(run)}"
        f"compute {compute.device}, {compute.precision}, scores {compute.backend}, "
        f"threads {compute.threads}, seed {recipe.seed}\n"
    )


@show.register
def _(supernet: TrainedSupernet) -> None:
    say(f"supernet {'found' if supernet.existed else 'trained'}: {supernet.file}")


@show.register
def _(outcome: SearchOutcome) -> None:
    """Why the search ended, the quality of its surrogate, the front, and reasons for doubt."""
    say(f"search ended: {outcome.reason}")
    if outcome.rounds:
        fallbacks = sum(not quality.trusted for quality in outcome.rounds)
        say(
            f"{outcome.rounds[-1]}; {fallbacks} of {len(outcome.rounds)} rounds fell back to NSGA-II; "
            f"details in {outcome.results.run.rounds_csv}"
        )
    say()
    results = outcome.results
    # Confirming may change the pick, so it is not marked before.
    print_front(results, None if results.run.recipe.confirm.rungs else results.recipe_pick)
    _warn(outcome.warnings)


@show.register
def _(confirmed: Confirmed) -> None:
    """Errors before and after the trainings of each rung, and reasons for doubt."""
    frame = confirmed.results.frame
    for epochs in confirmed.results.rungs:
        rung = frame[frame[f"confirmed_{epochs}"].notna()]
        before = show_objective("error", rung["error"].mean())
        after = show_objective("error", rung[f"confirmed_{epochs}"].mean())
        say(
            f"confirmed {_counted(len(rung), 'network')} by {_short_steps(confirmed.results.run, epochs)} of "
            f"training: mean top-1 {before} with the weights of the supernet, {after} after"
        )
    _warn(confirmed.warnings)


@show.register
def _(picked: Pick) -> None:
    """The picked network, why it was picked, and the next best."""
    values = objective_values(picked.objectives)
    texts = [f"{title(name)} {show_objective(name, value)}" for name, value in values.items()]
    ties = picked.equals - 1
    tied = f"; the evidence cannot distinguish {_counted(ties, 'other network')} from it" if ties else ""
    say(
        f"\npick       {picked.key}\n           {', '.join(texts)}\n"
        f"           expected after training: top-1 {expected_top1(picked)}{tied}\n"
        f"           {picked.reason}"
    )
    if picked.runner_up:
        say(f"runner-up  {picked.runner_up}")
    say()


@show.register
def _(retrained: RetrainedNetworks) -> None:
    """Accuracies of all retrained networks of the run, and where the files are."""
    seeds = retrained.trained["seeds"].max() > 1
    rows = []
    for row in retrained.trained.to_dict("records"):
        errors = (row["search_error"], row["inherited_test_error"], row["test_error"])
        rows.append(
            [
                *(show_objective("error", None if pd.isna(error) else error) for error in errors),
                _interval(row["low"], row["high"]),
                *([str(row["seeds"]), _interval(row["seed_low"], row["seed_high"])] if seeds else []),
                show_objective("ops", row["ops"]),
                row["key"],
            ]
        )
    columns = ["top-1 in search", "test, inherited", "test, retrained", "95 % interval"]
    print_table([*columns, *(["seeds", "range"] if seeds else []), "ops", "network"], rows, left=["network"])
    for card in retrained.cards:
        say(f"weights and card: {retrained.run.pick_folder(card.key)}")
    say(f"table: {retrained.run.trained_csv}")
    if retrained.run.front_png.exists():
        say(f"figure: {retrained.run.front_png}")


def expected_top1(picked: Pick) -> str:
    """The expected accuracy of a pick after training, with its deviation."""
    return f"{100 * (1 - picked.expected):.1f} ± {100 * picked.deviation:.1f} %"


def print_front(results: Results, picked: Pick | None) -> None:
    """The front, cheapest first, with its knee and the pick marked."""
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
    if picked is not None and picked.key not in set(front["key"]):
        say(f"the pick is not on this front of errors in the search: {picked.key}")
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
        "expected_error": picked.expected,
        "deviation": picked.deviation,
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


def _interval(low: float, high: float) -> str:
    """A range of errors as one of top-1."""
    return f"{100 * (1 - high):.1f} to {100 * (1 - low):.1f} %"


def _warn(warnings: Sequence[str]) -> None:
    for text in warnings:
        warn(text)


def _splits(run: Run) -> str:
    return ", ".join(f"{number:,} to {name}" for name, number in run.environment.images.items())


def _plan(run: Run) -> str:
    """What will be done, in steps: a step trains on one batch."""
    recipe, images = run.recipe, run.environment.images
    search, retrain = recipe.search, recipe.retrain
    rungs = [f"{networks} for {_short_steps(run, epochs)}" for networks, epochs in recipe.confirm.rungs]
    networks = "the front" if retrain.networks == "front" else _counted(retrain.networks, "network")
    seeds = f", {retrain.seeds} times each" if retrain.seeds > 1 else ""
    lines = [
        f"train a supernet for {_length(recipe.supernet, images['train'])}",
        f"score {search.evaluations} networks ({search.explorer}; {', '.join(search.objectives)})",
        *([f"confirm the best by short trainings: {', '.join(rungs)}"] if rungs else []),
        f"pick within {conditions(recipe.pick.limits) or 'no limits'}",
        f"retrain {networks} from {retrain.source}{seeds}, "
        f"for {_length(retrain, images['train'] + images['search'])}",
    ]
    return "".join(f"{'' if number else 'plan':8}{line}\n" for number, line in enumerate(lines))


def _short_steps(run: Run, epochs: int) -> str:
    """The steps of a training that confirms a network."""
    update = {"epochs": epochs, "min_steps": run.recipe.confirm.min_steps}
    steps = run.recipe.retrain.model_copy(update=update).steps(run.environment.images["train"])
    return _counted(steps, "step")


def _length(training: TrainingSettings, images: int) -> str:
    """`3,060 steps (90 epochs of 34 batches of 31 or 32 images)`."""
    per_epoch, steps = training.steps_per_epoch(images), training.steps(images)
    sizes = sorted({images // per_epoch, -(-images // per_epoch)})
    epochs, batches = _counted(steps // per_epoch, "epoch"), _counted(per_epoch, "batch", "batches")
    return f"{steps:,} steps ({epochs} of {batches} of {' or '.join(map(str, sizes))} images)"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _left_out(skipped: Sequence[str]) -> str:
    """Lines about images that could not be read."""
    if not skipped:
        return ""
    number = "1 image is" if len(skipped) == 1 else f"{len(skipped):,} images are"
    more = [f"and {len(skipped) - _SKIPPED:,} more"] if len(skipped) > _SKIPPED else []
    lines = "".join(f"        {line}\n" for line in [*skipped[:_SKIPPED], *more])
    return f"        {number} left out as unreadable:\n{lines}"
