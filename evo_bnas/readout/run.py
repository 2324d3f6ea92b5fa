"""What the verbs print about runs, fronts, picks and trained networks."""

from collections.abc import Mapping, Sequence
from typing import Any

from evo_bnas import findings
from evo_bnas.console import objective_values, print_table, say, show_objective, title
from evo_bnas.data import cache
from evo_bnas.quantity import show
from evo_bnas.readout.space import count_text
from evo_bnas.results.front import knee
from evo_bnas.results.pick import Pick
from evo_bnas.run import Run

_SKIPPED = 3  # images that are named


def introduce(run: Run) -> None:
    """What was read, and what will be done."""
    asked, space = run.recipe, run.space
    least, most = space.bounds("ops")
    limits = [f"{name} ≤ {show_objective(name, v)}" for name, v in asked.pick.limits.items()]
    compute = run.compute
    epochs = asked.retrain.real_epochs + asked.retrain.epochs
    say(
        f"run     {run.folder}\n"
        f"data    {asked.data.name}: {'×'.join(map(str, space.image))}, {space.classes} classes\n"
        f"{_left_out(cache.skipped(run.data))}"
        f"space   {space.name}: {count_text(space)} architectures, {show(least)} to {show(most)} ops\n"
        f"plan    train a supernet for {asked.supernet.epochs} epochs, "
        f"score {asked.search.evaluations} networks ({asked.search.explorer}; "
        f"{', '.join(asked.search.objectives)}),\n"
        f"        pick {' and '.join(limits) or 'the best'}, "
        f"train it for {epochs} epochs from {asked.retrain.source}\n"
        f"compute {compute.device}, {compute.precision}, scores {compute.backend}, "
        f"threads {compute.threads}, seed {asked.seed}\n"
    )


def _left_out(skipped: Sequence[str]) -> str:
    """Lines about images that could not be read, if there are any."""
    if not skipped:
        return ""
    number = "1 image is" if len(skipped) == 1 else f"{len(skipped):,} images are"
    more = [f"and {len(skipped) - _SKIPPED:,} more"] if len(skipped) > _SKIPPED else []
    lines = "".join(f"        {line}\n" for line in [*skipped[:_SKIPPED], *more])
    return f"        {number} left out as unreadable:\n{lines}"


def print_front(run: Run, chosen: Pick | None) -> None:
    """The front cheapest first, with its knee and the picked network marked."""
    best = findings.best(run)
    objectives = run.recipe.search.objectives
    shown = list(dict.fromkeys(["error", "ops", "params", "size_bits", *objectives]))
    bend = knee(best, objectives)["key"]
    rows = []
    for row in best.to_dict("records"):
        marks = ["pick"] * (chosen is not None and row["key"] == chosen.key) + ["knee"] * (row["key"] == bend)
        texts = [show_objective(name, row[name]) for name in shown]
        rows.append([*texts, row["key"], ", ".join(marks)])
    columns = [*map(title, shown), "network", ""]
    scored = len(findings.archive(run))
    print_table(columns, rows, words=["network", ""])
    say(
        f"\n{len(best)} of {scored} networks are on the front of {', '.join(objectives)}; "
        f"hypervolume {findings.covered(run):.4f}"
    )
    if run.front_png.exists():
        say(f"plot: {run.front_png}")


def print_pick(chosen: Pick) -> None:
    """The picked network, why it is that one, and the next best."""
    values = objective_values(chosen.objectives)
    texts = [f"{title(name)} {show_objective(name, value)}" for name, value in values.items()]
    say(f"\npick       {chosen.key}\n           {', '.join(texts)}\n           {chosen.reason}")
    if chosen.runner_up:
        say(f"runner-up  {chosen.runner_up}")
    say()


def print_cards(run: Run, cards: Sequence[Mapping[str, Any]]) -> None:
    """Accuracies of trained networks side by side, and where they are."""
    rows = []
    for card in cards:
        errors = (card["supernet_search_error"], card["inherited_test_error"], card["test_error"])
        texts = [show_objective("error", error) for error in errors]
        rows.append([*texts, show_objective("ops", card["cost"]["ops"]), card["key"]])
    columns = ["top-1 in search", "test, inherited", "test, retrained", "ops", "network"]
    print_table(columns, rows, words=["network"])
    for card in cards:
        say(f"weights and card: {run.pick_folder(card['key'])}")
