"""The results of a run, read without torch: front, hypervolume, pick, tables and figures."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.expected import Estimates, expected_errors
from evo_bnas.archive.front import front, hypervolume, hypervolume_trace
from evo_bnas.archive.journal import read
from evo_bnas.archive.pick import Pick, pick, within_limits
from evo_bnas.archive.ranking import Agreement, agreement, between_seeds
from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import write_bytes
from evo_bnas.plots.front import plot_front
from evo_bnas.plots.ranking import plot_ranking
from evo_bnas.run.folder import Run
from evo_bnas.run.trained import trained_networks
from evo_bnas.search.problem import Problem


@dataclass(frozen=True)
class Results:
    """All that a run has scored; `of` reads the journal once."""

    run: Run
    archive: Archive
    known_rungs: int | None = None  # of confirming, that count; default: all

    @classmethod
    def of(cls, run: Run) -> "Results":
        """The results of a run; raises UsageError if it has not searched yet."""
        if not run.journal_file.exists():
            raise UsageError(f"{run.folder}: has not searched yet; run `evo-bnas search {run.folder}`")
        return cls(run, read(run.journal_file, run.space))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Every scored network, one row each in order of proposal.

        Beside what the archive holds: the `expected` error after training and its `deviation`, and the error
        in each rung of confirming, such as `confirmed_3` after 3 epochs; NaN where there is none.
        """
        frame = self._archived.copy()
        scored = frame["status"] == "ok"
        if scored.any():
            frame.loc[scored, "expected"] = self.estimates[-1].mean
            frame.loc[scored, "deviation"] = self.estimates[-1].deviation
        for epochs, rung in self.rungs.items():
            frame[f"confirmed_{epochs}"] = frame["key"].map(rung.set_index("key")["error"])
        return frame

    @cached_property
    def estimates(self) -> list[Estimates]:
        """The expected errors of the successful rows of `frame`, after the search and after each rung."""
        frame = self._archived
        return expected_errors(frame[frame["status"] == "ok"], list(self.rungs.values()))

    @cached_property
    def rungs(self) -> dict[int, pd.DataFrame]:
        """The confirmed networks, by the epochs of their training."""
        rungs = {}
        for _, epochs in self.run.recipe.confirm.rungs[: self.known_rungs]:
            if (file := self.run.rung_file(epochs)).exists():
                frame = read(file, self.run.space).frame()
                rungs[epochs] = frame[frame["status"] == "ok"]
        return rungs

    @cached_property
    def front(self) -> pd.DataFrame:
        """The front over the recipe's objectives, cheapest first, within the limits of the search.

        Raises UsageError if nothing is scored or within them.
        """
        search = self.run.recipe.search
        return front(within_limits(self.frame, search.limits), search.objectives)

    @property
    def front_table(self) -> pd.DataFrame:
        """The front as it is written to CSV and JSON."""
        return self.front.drop(columns=["correct", "status"])

    @cached_property
    def hypervolume(self) -> float:
        """Normalised hypervolume of all scored networks, in [0, 1]."""
        problem = self._problem
        return hypervolume(self.frame, problem.objectives, problem.bounds())

    def hypervolume_trace(self) -> list[float]:
        """Normalised hypervolume after each scored network."""
        problem = self._problem
        return hypervolume_trace(self.frame, problem.objectives, problem.bounds())

    def pick(
        self, limits: Mapping[str, float] | None = None, within: float | None = None, knee: bool = False
    ) -> Pick:
        """Pick a network within the limits of the search and of the pick; by default those of the recipe."""
        settings, search = self.run.recipe.pick, self.run.recipe.search
        if limits is None and within is None and not knee:
            limits, within, knee = settings.limits, settings.within, settings.knee
        limits = self.limits(limits or {})
        return pick(self.frame, limits, within=within, knee=knee, objectives=search.objectives)

    def limits(self, limits: Mapping[str, float] | None = None) -> dict[str, float]:
        """The limits of a pick, by default those of the recipe, together with those of the search.

        Latency is measured after a network is proposed, so the archive may hold networks beyond its limit.
        """
        wanted = self.run.recipe.pick.limits if limits is None else limits
        of_search = self.run.recipe.search.limits
        return of_search | {name: min(limit, of_search.get(name, limit)) for name, limit in wanted.items()}

    def ladder(
        self, budgets: Sequence[float], cost: str = "ops", limits: Mapping[str, float] | None = None
    ) -> list[Pick]:
        """A pick for each budget of an exact cost, cheapest first, within the other limits."""
        within = self.limits(limits)
        return [pick(self.frame, within | {cost: budget}) for budget in sorted(budgets)]

    def budgets(self, number: int, limits: Mapping[str, float] | None = None) -> list[float]:
        """At most this many budgets of ops, even on a log scale, from the cheapest network to the dearest."""
        ops = within_limits(self.frame, self.limits(limits))["ops"]
        even = np.geomspace(ops.min(), ops.max(), number).round()
        return sorted({float(ops.min()), *map(float, even[1:-1]), float(ops.max())})

    def to_retrain(self) -> list[str]:
        """Keys of the networks that the recipe retrains, the pick first.

        Several are picks for smaller and smaller budgets; `front` is every network within the limits that no
        other one beats in expected error and ops. Raises UsageError if nothing is within the limits.
        """
        networks, picked = self.run.recipe.retrain.networks, self.pick()
        if networks == 1:
            return [picked.key]
        if networks == "front":
            rows = within_limits(self.frame, self.limits())
            others = list(front(rows.assign(error=rows["expected"]), ("error", "ops"))["key"])[::-1]
        else:
            others = [rung.key for rung in reversed(self.ladder(self.budgets(networks)))]
        keys = list(dict.fromkeys([picked.key, *others]))
        return keys if networks == "front" else keys[:networks]

    @cached_property
    def recipe_pick(self) -> Pick | None:
        """The pick of the recipe; None if nothing is within its limits."""
        try:
            return self.pick()
        except UsageError:
            return None

    def write(self) -> None:
        """Write the front as a table and as a figure, with the recipe's pick and the trained networks."""
        with suppress(UsageError):  # nothing is within the limits of the search; the figure is drawn anyway
            write_bytes(self.run.front_csv, self.front_table.to_csv(index=False).encode())
        search = self.run.recipe.search
        costs = [name for name in search.objectives if name != "error"] or ["ops"]
        x = "ops" if "ops" in costs else costs[0]
        plot_front(
            self.frame,
            self.run.front_png,
            picks=[self.recipe_pick] if self.recipe_pick else [],
            trained=trained_networks(self.run),
            x=x,
            limits=search.limits,
        )

    @cached_property
    def _archived(self) -> pd.DataFrame:
        return self.archive.frame()

    @cached_property
    def _problem(self) -> Problem:
        search = self.run.recipe.search
        return Problem(self.run.space, search.objectives, search.limits, worst=worst(self.run))


@dataclass(frozen=True)
class RankingResults:
    """How well the supernet of a run ranks networks, as the last `evo-bnas ranking` measured it."""

    networks: pd.DataFrame  # key, costs, epochs, supernet_error, error (mean over seeds), error_seed0, …
    agreement: Agreement
    seeds: int  # trainings of each network
    between_seeds: float | None  # mean tau of the errors of two seeds; None with one seed

    @classmethod
    def of(cls, run: Run) -> "RankingResults":
        """Read the table of a run; raises UsageError if it is missing, damaged, or has too few networks."""
        if not run.ranking_csv.exists():
            raise UsageError(f"{run.folder}: ranking not measured yet; run `evo-bnas ranking {run.folder}`")
        try:
            networks = pd.read_csv(run.ranking_csv)
            judged = agreement(networks["supernet_error"], networks["error"], networks["ops"])
            by_seed = networks.filter(like="error_seed").to_numpy().T
        except (ValueError, KeyError) as failure:
            raise UsageError(
                f"{run.ranking_csv}: is damaged: {failure}; `evo-bnas ranking {run.folder}` writes it again"
            ) from None
        return cls(networks, judged, len(by_seed), between_seeds(by_seed))

    @classmethod
    def write(cls, run: Run, networks: pd.DataFrame) -> "RankingResults":
        """Write the networks as a table and as a figure; raises UsageError as `of` does."""
        write_bytes(run.ranking_csv, networks.to_csv(index=False).encode())
        results = cls.of(run)
        plot_ranking(networks, results.agreement.estimated.tau, run.ranking_png)
        return results


def worst(run: Run) -> dict[str, float]:
    """The worst value of each measured cost: that of the largest network."""
    if not run.latency_file.exists():
        return {}
    return {"latency_ms": json.loads(run.latency_file.read_text(encoding="utf-8"))["ms"]}
