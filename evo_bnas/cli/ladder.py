"""The option `--ladder` of `evo-bnas pick`: budgets of one cost."""

from evo_bnas.errors import UsageError, suggestion
from evo_bnas.network.objectives import EXACT, OBJECTIVES
from evo_bnas.quantity import parse_option


def parse_ladder(text: str) -> tuple[str, list[float]]:
    """The cost and its budgets, rising, from text such as `10k,20k` (of ops) or `size=10kB,20kB`.

    Costs are exact, and have the names of the options of `evo-bnas pick`. Raises UsageError for other names
    and for text that is not a budget.
    """
    name, equals, values = text.rpartition("=")
    costs = {OBJECTIVES[cost].option.removeprefix("--"): cost for cost in EXACT}
    name = name.strip() if equals else "ops"
    if name not in costs:
        raise UsageError(f"--ladder {text}: {name!r} is not an exact cost; {suggestion(name, costs)}")
    unit = OBJECTIVES[costs[name]].unit
    try:
        budgets = {parse_option(value, unit) for value in values.split(",")}
    except ValueError as failure:
        raise UsageError(f"--ladder {text}: {failure}") from None
    return costs[name], sorted(budgets)
