"""What the subcommands print and draw of a ladder: one pick for each budget of a cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from evo_bnas.archive.limits import conditions
from evo_bnas.archive.pick import Pick
from evo_bnas.cli.console import print_table, say, show_objective, title
from evo_bnas.cli.output.run import expected_top1, pick_json
from evo_bnas.errors import UsageError
from evo_bnas.plots.front import plot_front
from evo_bnas.run.results import Results
from evo_bnas.run.trained import trained_networks

_BUDGETS = 4  # of a recipe that retrains fewer networks

FIGURE = "ladder.png"  # in the folder of the run


@dataclass(frozen=True, slots=True)
class Ladder:
    """Picks for budgets of a cost within the same other limits."""

    cost: str
    limits: Mapping[str, float]  # on other objectives
    budgets: Sequence[float]  # rising
    picks: Sequence[Pick]  # one for each budget
    trained: pd.DataFrame  # those of them that are retrained, as `trained_networks` returns them
    figure: Path

    @property
    def untrained(self) -> list[str]:
        """Keys of the picks that are not retrained, the cheapest first."""
        return list(dict.fromkeys(pick.key for pick in self.picks if pick.key not in self.test_errors))

    @property
    def test_errors(self) -> Mapping[str, float]:
        """Errors on the test split of the retrained ones, by key."""
        return dict(zip(self.trained["key"], self.trained["test_error"], strict=True))


def draw_ladder(
    results: Results, cost: str, budgets: Sequence[float], limits: Mapping[str, float] | None = None
) -> Ladder:
    """Pick for rising budgets within limits, by default those of the recipe, and draw the picks.

    Raises UsageError if no network is within a budget, or if the figure cannot be written.
    """
    picks = results.ladder(budgets, cost, limits)
    trained = trained_networks(results.run)
    trained = trained[trained["key"].isin([pick.key for pick in picks])]
    others = {name: limit for name, limit in results.limits(limits).items() if name != cost}
    figure = results.run.folder / FIGURE
    try:
        plot_front(results.frame, figure, picks=picks, trained=trained, x=cost, limits=others)
    except OSError as failure:
        raise UsageError(
            f"{figure}: cannot be written: {failure.strerror}; make the folder writable, or copy the run"
        ) from None
    return Ladder(cost, others, budgets, picks, trained, figure)


def budgets_of_recipe(results: Results) -> list[float]:
    """Budgets of ops up to the limit of the recipe: those that it retrains networks for, if they are more."""
    networks = results.run.recipe.retrain.networks
    return results.budgets(max(_BUDGETS, 0 if networks == "front" else networks))


def print_ladder(ladder: Ladder) -> None:
    """The picks, the cheapest first, and where the figure is."""
    costs = list(dict.fromkeys(["ops", "params", "size_bits", ladder.cost]))
    tested = ["test top-1"] if ladder.test_errors else []
    columns = [f"{title(ladder.cost)} ≤", "expected top-1", "ties", "top-1 in search", *tested]
    rows = []
    for budget, picked in zip(ladder.budgets, ladder.picks, strict=True):
        test = [show_objective("error", ladder.test_errors.get(picked.key))] if tested else []
        rows.append(
            [
                show_objective(ladder.cost, budget),
                expected_top1(picked),
                str(picked.equals - 1) if picked.equals > 1 else "",
                show_objective("error", picked.objectives["error"]),
                *test,
                *(show_objective(name, picked.objectives[name]) for name in costs),
                picked.key,
            ]
        )
    within = f", within {conditions(ladder.limits)}" if ladder.limits else ""
    say(f"\na pick for each budget of {title(ladder.cost)}{within}:")
    print_table([*columns, *map(title, costs), "network"], rows, left=["network"])
    if any(picked.equals > 1 for picked in ladder.picks):
        say("ties: other networks within the budget that the evidence cannot distinguish from the pick")
    say(f"figure: {ladder.figure}")


def ladder_json(ladder: Ladder) -> dict[str, Any]:
    """A ladder as JSON values; `test_error` is null for networks that are not retrained."""
    return {
        "cost": ladder.cost,
        "limits": dict(ladder.limits),
        "ladder": [
            {"budget": budget, **pick_json(picked), "test_error": ladder.test_errors.get(picked.key)}
            for budget, picked in zip(ladder.budgets, ladder.picks, strict=True)
        ],
        "figure": str(ladder.figure),
    }
