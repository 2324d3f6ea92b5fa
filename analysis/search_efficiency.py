"""How many evaluations a search needs: the hypervolume it covers, on a table of known answers.

    python -m analysis.search_efficiency --table nas-bench-macro_cifar10.json --explorers nsga2,random

Objectives are scaled from their least to their greatest value in the table, the reference point is 1 in
each, and the hypervolume is divided by that of the whole table. An evaluation counts when it is the first
of its architecture. Quartiles are over seeds.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from analysis import command
from analysis.trial import Trial
from evo_bnas.archive.archive import Archive
from evo_bnas.archive.front import Hypervolume
from evo_bnas.archive.journal import Journal
from evo_bnas.cli import console
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.evaluate.engine import InProcess
from evo_bnas.evaluate.table import Table, load_table
from evo_bnas.files.atomic import replace
from evo_bnas.search import EXPLORERS
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.local_search import LocalSearch
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.space.table import TableSpace

GOALS = (0.99, 0.999)  # of the hypervolume
_QUARTILES = (25, 50, 75)
_LEAST_DRAWN = 1e-4  # missing; a whole front has no place on a log axis

Method = Callable[[Problem, TableSpace, int, int], Trial]  # problem, space, evaluations, seed


class _Timed(Explorer):
    """An explorer, and the seconds that it took."""

    def __init__(self, explorer: Explorer, problem: Problem) -> None:
        super().__init__(problem, start=0, fill=False)
        self.seconds = 0.0
        self._explorer = explorer

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> list[Candidate]:
        begin = perf_counter()
        candidates = self._explorer.propose(archive, batch.size, rng)
        self.seconds += perf_counter() - begin
        return candidates


@dataclass(frozen=True)
class Ours:
    """A search of this package; the last `polish` evaluations are neighbours of the front."""

    explorer: str
    population: int
    batch: int
    polish: int

    def __call__(self, problem: Problem, space: TableSpace, evaluations: int, seed: int) -> Trial:
        explorer = EXPLORERS[self.explorer](problem, self.population)
        if self.polish:
            explorer = LocalSearch(explorer, problem, after=evaluations - self.polish)
        timed = _Timed(explorer, problem)
        with (
            tempfile.TemporaryDirectory() as folder,
            Journal(Path(folder) / "journal.jsonl", space) as journal,
        ):
            search(
                problem,
                timed,
                InProcess(Table(space.scores)),
                journal,
                evaluations=evaluations,
                batch=self.batch,
                seed=seed,
            )
            calls = [proposal.key for proposal, _ in journal.archive.scored]
        return Trial.of(calls, evaluations, timed.seconds)


class Curve:
    """The trials of one method, a seed each, and the fraction of the true hypervolume that each covers."""

    def __init__(self, name: str, trials: Sequence[Trial], problem: Problem, space: TableSpace) -> None:
        self.name = name
        self.trials = trials
        whole = true_hypervolume(problem, space)
        self._fractions = [
            np.array(_trace(problem, space, trial.keys)) / whole for trial in trials
        ]  # of unequal lengths where a method ran dry

    def until(self, goal: float) -> list[float]:
        """Distinct evaluations up to a fraction of the hypervolume: quartiles, inf where not reached."""
        never = 1e12  # finite, since quartiles between two inf would be nothing
        needed = [
            float(np.argmax(fraction >= goal) + 1) if fraction.max() >= goal else never
            for fraction in self._fractions
        ]
        longest = max(len(fraction) for fraction in self._fractions)
        quartiles = np.percentile(needed, _QUARTILES)
        return [float(value) if value <= longest else np.inf for value in quartiles]

    def after(self, evaluations: int) -> list[float]:
        """Quartiles of the fraction after so many distinct evaluations; a dry method stands still."""
        at = [fraction[min(evaluations, len(fraction)) - 1] for fraction in self._fractions]
        return [float(value) for value in np.percentile(at, _QUARTILES)]

    @property
    def calls_per_distinct(self) -> float:
        return sum(trial.calls for trial in self.trials) / sum(trial.distinct for trial in self.trials)

    @property
    def seconds_per_proposal(self) -> float:
        return sum(trial.seconds for trial in self.trials) / sum(trial.calls for trial in self.trials)


def true_hypervolume(problem: Problem, space: TableSpace) -> float:
    """The hypervolume of the whole table."""
    return _trace(problem, space, list(space.scores))[-1]


def compare(
    methods: dict[str, Method], problem: Problem, space: TableSpace, evaluations: int, seeds: int
) -> list[Curve]:
    """The curves of methods on a table, each with seeds 0, 1, …"""
    curves = []
    for name, method in methods.items():
        trials = [method(problem, space, evaluations, seed) for seed in range(seeds)]
        curves.append(Curve(name, trials, problem, space))
        console.err.print(f"{name}: done", markup=False)
    return curves


def plot(curves: Sequence[Curve], evaluations: int, title: str, path: Path) -> None:
    """Draw what is missing of the hypervolume, median and quartiles, against distinct evaluations."""
    figure = Figure(figsize=(7.2, 4.5), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    at = np.unique(np.geomspace(min(10, evaluations), evaluations, 120).astype(int))
    for curve in curves:
        quartiles = np.array([curve.after(n) for n in at.tolist()])
        low, median, high = np.maximum(1 - quartiles, _LEAST_DRAWN).T
        (line,) = axes.plot(at, median, linewidth=1.4, label=curve.name)
        axes.fill_between(at, high, low, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("distinct evaluations")
    axes.set_ylabel("missing of the true hypervolume (1 - fraction)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e8ec", linewidth=0.7)
    axes.legend(loc="lower left", frameon=False, fontsize=9)
    replace(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:]))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    command.run(_run, _parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("analysis.search_efficiency", __doc__)
    parser.add_argument("--table", type=Path, required=True, help="CSV, or the JSON of NAS-Bench-Macro")
    parser.add_argument("--explorers", default="nsga2,random", help="names with commas; empty for none")
    parser.add_argument("--objectives", default="error,flops", help="names with commas")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=400, help="distinct ones, of each search")
    parser.add_argument("--batch", type=int, default=8, help="proposals at once")
    parser.add_argument("--population", type=int, default=20)
    parser.add_argument("--polish", type=int, default=0, help="evaluations at the end around the front")
    peers = "also pymoo's and Optuna's searches: all of them, or names with commas"
    parser.add_argument("--peers", nargs="?", const="all", default="", help=peers)
    parser.add_argument("--out", type=Path, help="folder for search_efficiency.png")
    return parser


def _run(asked: argparse.Namespace) -> None:
    space, _ = load_table(asked.table)
    objectives = tuple(_names(asked.objectives))
    problem = Problem(space, objectives)
    methods: dict[str, Method] = {}
    for name in _names(asked.explorers):
        if name not in EXPLORERS:
            raise UsageError(f"--explorers: unknown explorer {name!r}; {suggestion(name, EXPLORERS)}")
        methods[name] = Ours(name, asked.population, asked.batch, asked.polish)
    if asked.peers:
        from analysis.peers import PEERS  # a development dependency

        for name in PEERS if asked.peers == "all" else _names(asked.peers):
            if name not in PEERS:
                raise UsageError(f"--peers: unknown peer {name!r}; {suggestion(name, PEERS)}")
            methods[name] = PEERS[name]
    curves = compare(methods, problem, space, asked.evaluations, asked.seeds)
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        picture = asked.out / "search_efficiency.png"
        plot(
            curves, asked.evaluations, f"{space.name}: {', '.join(objectives)}; {asked.seeds} seeds", picture
        )
    if asked.format == "table":
        _print(curves, asked.evaluations)
    else:
        console.print_json(
            {
                "table": space.name,
                "objectives": list(objectives),
                "hypervolume": true_hypervolume(problem, space),
                "evaluations": asked.evaluations,
                "seeds": asked.seeds,
                "methods": {curve.name: _figures(curve, asked.evaluations) for curve in curves},
            }
        )


def _print(curves: Sequence[Curve], evaluations: int) -> None:
    columns = ["method", *(f"evaluations to {goal}" for goal in GOALS), f"after {evaluations}",
               "calls per distinct", "ms per proposal"]  # fmt: skip
    rows = [
        [
            curve.name,
            *(_quartiles([_reached(value, evaluations) for value in curve.until(goal)]) for goal in GOALS),
            _quartiles([f"{value:.4f}" for value in curve.after(evaluations)]),
            f"{curve.calls_per_distinct:.2f}",
            f"{1e3 * curve.seconds_per_proposal:.2f}",
        ]
        for curve in curves
    ]
    console.print_table(columns, rows, left=["method"])


def _figures(curve: Curve, evaluations: int) -> dict[str, object]:
    reached = {
        f"to_{goal}": [value if np.isfinite(value) else None for value in curve.until(goal)] for goal in GOALS
    }
    return reached | {
        f"after_{evaluations}": curve.after(evaluations),
        "calls_per_distinct": curve.calls_per_distinct,
        "seconds_per_proposal": curve.seconds_per_proposal,
    }


def _trace(problem: Problem, space: TableSpace, keys: Sequence[str]) -> list[float]:
    volume = Hypervolume(problem.objectives, problem.bounds())
    for key in keys:
        volume.add(space.scores[key])
    return volume.trace


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _quartiles(texts: Sequence[str]) -> str:
    low, median, high = texts
    return f"{median} ({low} to {high})"


def _reached(value: float, evaluations: int) -> str:
    return f"{value:.0f}" if np.isfinite(value) else f">{evaluations}"


if __name__ == "__main__":
    main()
