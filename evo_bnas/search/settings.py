"""The `search` section of a recipe."""

from typing import Annotated

from pydantic import AfterValidator, Field

from evo_bnas.archive.limits import CostLimits
from evo_bnas.files.yaml_file import Settings, one_of
from evo_bnas.network.objectives import OBJECTIVES
from evo_bnas.quantity import Amount, Count, Positive, Real, Whole
from evo_bnas.search import EXPLORERS

_Objective = Annotated[str, AfterValidator(one_of("objective", tuple(OBJECTIVES)))]


def _distinct(objectives: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(objectives)) < len(objectives):
        raise ValueError(f"{list(objectives)} names an objective twice")
    return objectives


class SearchSettings(Settings):
    """Which networks are scored, and how many."""

    explorer: Annotated[str, AfterValidator(one_of("explorer", tuple(EXPLORERS)))] = "surrogate"
    evaluations: Count = 200
    seconds: Positive | None = None  # of evaluation, summed over workers
    # latency_ms is measured, so a search with it is not reproducible.
    objectives: Annotated[tuple[_Objective, ...], Field(min_length=1), AfterValidator(_distinct)] = (
        "error",
        "ops",
        "params",
    )
    # Networks beyond a limit on an exact cost are never proposed. Networks measured beyond a limit on
    # latency_ms stay in the journal; they are not on the front and not picked.
    limits: CostLimits = Field(default_factory=dict)
    batch: Count = 16  # proposals per round; 1 is steady state
    population: Annotated[Whole, Field(ge=2)] = 20
    local_search: Amount = 0  # the last evaluations, spent on networks one gene away from the front
    max_attempts: Count = 2  # per evaluation that fails
    max_error: Annotated[Real, Field(gt=0, le=1)] | None = None  # worse networks rank behind all others
    warm_start: tuple[str, ...] = ()  # finished runs of the same space: folders, or names of their recipes
    patience: Count | None = None  # stop after this many evaluations without more hypervolume
