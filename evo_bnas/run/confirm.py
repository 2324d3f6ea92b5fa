"""The third stage: look at the best networks of a search again, by short trainings from inherited weights.

Successive halving by non-dominated rank (Schmucker et al., "Multi-objective asynchronous successive halving",
2021), with rungs that wait for each other: each trains fewer networks for longer, the best by all that was
measured so far.
"""

from dataclasses import replace

from evo_bnas.archive.pick import within_limits
from evo_bnas.errors import UsageError
from evo_bnas.progress import Report, silent
from evo_bnas.run import doubts
from evo_bnas.run.folder import Run
from evo_bnas.run.network_training import short_training
from evo_bnas.run.outcomes import Confirmed
from evo_bnas.run.results import Results
from evo_bnas.run.scoring import score
from evo_bnas.search.halving import nearest_to_front


def confirm(run: Run, results: Results, report: Report = silent) -> Confirmed:
    """Train the rungs of the recipe as far as they are not trained; returns results with their errors.

    Networks learn from the train split and are scored on the search split, as in the search; with workers,
    they are trained in parallel.
    """
    with run.lock():
        for number, (networks, epochs) in enumerate(run.recipe.confirm.rungs):
            # Chosen by the rungs before alone, so that a repeated call chooses the same.
            keys = candidates(replace(results, known_rungs=number), networks)
            min_steps = run.recipe.confirm.min_steps
            evaluator = short_training(run, "supernet", epochs, run.recipe.seed, min_steps=min_steps)
            score(
                run,
                [run.space.named(key) for key in keys],
                evaluator,
                run.recipe.engine.at_most(len(keys)),
                run.rung_file(epochs),
                "confirm" if len(run.recipe.confirm.rungs) == 1 else f"confirm, rung {number + 1}",
                report,
            )
        results = replace(results)  # reads the rungs
        results.write()
    return Confirmed(results, doubts.of_confirming(results))


def candidates(results: Results, networks: int) -> list[str]:
    """Keys of the networks to confirm: the best for every budget up to that of the recipe.

    They are the nearest to the front of expected error and of each cost that the recipe limits, otherwise
    ops, among the networks within the limits, with the one of most ops, which simple rules would pick.
    """
    limits = results.limits()
    try:
        rows = within_limits(results.frame, limits)
    except UsageError:  # nothing is within the limits of the pick
        rows = results.frame[results.frame["status"] == "ok"]
    costs = [name for name in limits if name != "error"] or ["ops"]
    chosen = nearest_to_front(rows[["expected", *costs]].to_numpy(dtype=float), networks)
    keys = [str(rows["key"].iloc[index]) for index in chosen]
    largest = str(rows["key"].iloc[int(rows["ops"].to_numpy().argmax())])
    return keys if largest in keys else [*keys[: networks - 1], largest]
