"""Reasons to doubt the results of a run, each a sentence that names the way out."""

from math import sqrt

from evo_bnas.run.results import Results

_DEVIATIONS = 2  # from chance that count as near
_KEPT = 0.25  # share of the supernet's differences that short trainings must keep


def of_search(results: Results) -> list[str]:
    """What makes the errors of a search worth little."""
    rows = results.frame[results.frame["status"] == "ok"]
    if rows.empty:
        return []
    run, doubts = results.run, []
    chance, images = 1 - 1 / run.space.classes, run.environment.images["search"]
    near = chance - _DEVIATIONS * sqrt(chance * (1 - chance) / images)
    if rows["error"].median() > near:
        doubts.append(
            f"More than half of the scored networks guess: chance is a top-1 of {_percent(1 - chance)}. "
            f"Train the supernet for more steps (supernet.min_steps, now {run.recipe.supernet.min_steps:,}), "
            f"or look at the images and labels with `evo-bnas check {run.recipe_file}`."
        )
    estimates = results.estimates[0]
    if estimates.noise > max(estimates.between, 0.5 / images):
        doubts.append(
            f"On {images:,} search images an accuracy is uncertain by {_points(estimates.noise)}, which is "
            f"more than networks of equal ops differ ({_points(estimates.between)}): their order is mostly "
            "chance. Add images, or raise data.search_share."
        )
    return doubts


def of_confirming(results: Results) -> list[str]:
    """What the trainings of the last rung say against the supernet."""
    rungs = list(results.rungs.values())
    rows = results.frame[results.frame["status"] == "ok"]
    stages = results.estimates
    if len(stages) == 1:
        return []
    doubts = []
    last = rungs[-1].merge(rows[["key", "error"]], on="key", suffixes=("", "_before"))
    gain = float((last["error_before"] - last["error"]).mean())
    differing = float(last["error"].std())
    if gain > max(2 * differing, 2 * stages[0].noise):
        doubts.append(
            f"The supernet is trained too little: short trainings lower the errors by {_points(gain)}, while "
            f"the networks differ by {_points(differing)}. Train it for more steps (supernet.epochs or "
            "supernet.min_steps) in a new run."
        )
    if (kept := float(stages[1].slopes[0])) < _KEPT:
        doubts.append(
            f"Of the differences that the supernet sees between networks, short trainings keep {kept:.0%}: "
            "ops alone rank them as well, and the largest network within the budget is as good a choice. "
            f"`evo-bnas ranking {results.run.folder}` measures this on more networks; a longer training of "
            "the supernet may help."
        )
    return doubts


def _points(fraction: float) -> str:
    return f"{100 * fraction:.1f} points"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"
