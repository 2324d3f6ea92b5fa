"""What a run has found, read without torch: the archive, the front, the pick, the fidelity, the pictures."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from evo_bnas.durable import write_bytes
from evo_bnas.errors import UsageError
from evo_bnas.results import journal
from evo_bnas.results.fidelity import Agreement, agreement, between_seeds
from evo_bnas.results.fidelity_plot import plot_fidelity
from evo_bnas.results.front import front, hypervolume, hypervolume_trace
from evo_bnas.results.pick import Pick, admitted, pick
from evo_bnas.results.plot import plot_front
from evo_bnas.run import Run
from evo_bnas.search.problem import Problem


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How well the supernet of a run ranks networks."""

    networks: pd.DataFrame  # key, costs, epochs, supernet_error, error (mean over seeds), error_seed0, …
    agreement: Agreement
    seeds: int  # trainings of each network
    between_seeds: float | None  # mean tau of the errors of two seeds; None with one


def archive(run: Run) -> pd.DataFrame:
    """Everything that was scored, one row an architecture in order of proposal.

    Raises UsageError where the run has not searched yet.
    """
    if not run.journal_file.exists():
        raise UsageError(f"{run.folder}: has not searched yet; run `evo-bnas search {run.folder}`")
    return journal.read(run.journal_file).frame()


def best(run: Run) -> pd.DataFrame:
    """The front over the recipe's objectives, cheapest first, of what keeps to the limits of the search.

    Raises UsageError where nothing is scored or keeps to them.
    """
    asked = run.recipe.search
    return front(admitted(archive(run), asked.limits), asked.objectives)


def trace(run: Run) -> list[float]:
    """Normalised hypervolume, in [0, 1], after each scored network."""
    problem = _problem(run)
    return hypervolume_trace(archive(run), problem.objectives, problem.bounds())


def covered(run: Run) -> float:
    """Normalised hypervolume of all that was found."""
    problem = _problem(run)
    return hypervolume(archive(run), problem.objectives, problem.bounds())


def choose(
    run: Run, limits: Mapping[str, float] | None = None, within: float | None = None, knee: bool = False
) -> Pick:
    """Pick a network that keeps to the limits of the search; without other limits, as the recipe says."""
    asked = run.recipe.pick
    if limits is None and within is None and not knee:
        limits, within, knee = asked.limits, asked.within, asked.knee
    searched = run.recipe.search
    # A latency was known after it was paid for, so the archive holds what is beyond a limit of the search.
    limits = dict(searched.limits) | {
        name: min(limit, searched.limits.get(name, limit)) for name, limit in (limits or {}).items()
    }
    return pick(archive(run), limits, within=within, knee=knee, objectives=searched.objectives)


def fidelity(run: Run) -> Fidelity:
    """What the last `evo-bnas fidelity` measured.

    Raises UsageError where there was none, where its table is damaged, or where it has fewer than 3 networks.
    """
    if not run.fidelity_csv.exists():
        raise UsageError(f"{run.folder}: its fidelity is not measured; run `evo-bnas fidelity {run.folder}`")
    try:
        networks = pd.read_csv(run.fidelity_csv)
        judged = agreement(networks["supernet_error"], networks["error"], networks["ops"])
        by_seed = networks.filter(like="error_seed").to_numpy().T
    except (ValueError, KeyError) as failure:
        raise UsageError(
            f"{run.fidelity_csv}: is damaged: {failure}; `evo-bnas fidelity {run.folder}` writes it anew"
        ) from None
    return Fidelity(networks, judged, len(by_seed), between_seeds(by_seed))


def draw_fidelity(run: Run, networks: pd.DataFrame) -> Fidelity:
    """Write the networks of a `Fidelity` as a table and as a picture; raises UsageError as `fidelity`."""
    write_bytes(run.fidelity_csv, networks.to_csv(index=False).encode())
    found = fidelity(run)
    plot_fidelity(networks, found.agreement.estimated.tau, run.fidelity_png)
    return found


def draw(run: Run) -> None:
    """Write the front as a table and as a picture, with the recipe's pick marked."""
    chosen = None
    with suppress(UsageError):  # nothing keeps to the recipe's limits; the picture is drawn all the same
        write_bytes(run.front_csv, best(run).drop(columns="correct").to_csv(index=False).encode())
        chosen = choose(run)
    asked = run.recipe.search
    costs = [name for name in asked.objectives if name != "error"] or ["ops"]
    x = "ops" if "ops" in costs else costs[0]
    plot_front(archive(run), run.front_png, pick=chosen, x=x, limits=asked.limits)


def worst(run: Run) -> dict[str, float]:
    """The worst value of each measured objective but the error: that of the largest network."""
    if not run.latency_file.exists():
        return {}
    return {"latency_ms": json.loads(run.latency_file.read_text(encoding="utf-8"))["ms"]}


def _problem(run: Run) -> Problem:
    asked = run.recipe.search
    return Problem(run.space, asked.objectives, asked.limits, worst=worst(run))
