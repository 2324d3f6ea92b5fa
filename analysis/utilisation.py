"""How busy a search keeps many workers: real explorers and the real loop on a virtual clock.

    python -m analysis.utilisation --workers 16,64,256,1024 --plot utilisation.png

Evaluations take log-normal times (mean 30 s, coefficient of variation 0.5), and the budget is ten times the
workers. What the search does between two polls, proposals and journal, passes on the clock as processor time,
and nothing is handed out meanwhile. As on a cluster, a worker has one evaluation under way and one waiting.

`busy` is the share of the workers' time that goes into evaluations until the last proposal is handed out;
after that they run out of work whatever an explorer does. `to the end` counts that as well, and `at best` is
what a driver that needs no time reaches with the same evaluation times.
"""

import argparse
import heapq
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time

import numpy as np
from matplotlib.figure import Figure

from analysis import command
from analysis.proposal_overhead import OBJECTIVES, SPACE
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.cli import console
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.search import EXPLORERS
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

MEAN, VARIATION = 30.0, 0.5  # seconds of an evaluation, and its standard deviation as a share of that
ROUNDS = 10  # evaluations for each worker
AIM = 0.9
_POPULATION, _BATCH = 20, 16
_CALLS = 2  # of a worker: one runs, one waits

_Item = tuple[int, Architecture]


@dataclass(frozen=True)
class Outcome:
    """What one search made of its workers."""

    explorer: str
    workers: int
    busy: float
    to_the_end: float
    at_best: float
    driver_seconds: float
    proposals_a_call: float


class Virtual:
    """An engine whose workers only wait, on a clock that the driver's processor time moves as well."""

    def __init__(self, workers: int, durations: Sequence[float]) -> None:
        self.capacity = _CALLS * workers
        self.now = self.driver = self.handed_out = 0.0  # seconds; the last: when nothing waited any more
        self.intervals: list[tuple[float, float]] = []  # of every evaluation
        self.calls = 0  # of an explorer
        self._durations = durations
        self._losses = [np.random.default_rng(i).random(size) for i, size in enumerate(SPACE.sizes)]
        self._waiting: deque[_Item] = deque()
        self._behind: list[deque[_Item]] = [deque() for _ in range(workers)]
        self._free = list(range(workers))  # workers without work
        self._ends: list[tuple[float, int, int, Architecture]] = []  # when, id, worker
        self._polled = process_time()

    def submit(self, id: int, architecture: Architecture) -> None:
        self.calls += not self._waiting
        self._waiting.append((id, architecture))

    def poll(self) -> list[tuple[int, Score]]:
        """What ended while the driver was busy, or else what ends next."""
        taken = process_time() - self._polled
        self.now, self.driver = self.now + taken, self.driver + taken
        done = self._ended()
        if self._waiting:
            self.handed_out = self.now
        self._deal()
        if not done:
            self.now = self._ends[0][0]
            done = self._ended()
        self._polled = process_time()
        return done

    def _ended(self) -> list[tuple[int, Score]]:
        """What has ended by now; its workers went on with what waited there, or have no work."""
        done = []
        while self._ends and self._ends[0][0] <= self.now:
            moment, id, worker, architecture = heapq.heappop(self._ends)
            if self._behind[worker]:
                self._begin(worker, moment, *self._behind[worker].popleft())
            else:
                self._free.append(worker)
            done.append((id, self._score(id, architecture)))
        return done

    def _deal(self) -> None:
        """Work for those who have none, then something to wait where nothing does."""
        while self._waiting and self._free:
            self._begin(self._free.pop(), self.now, *self._waiting.popleft())
        for _, _, worker, _ in self._ends:
            if self._waiting and not self._behind[worker]:
                self._behind[worker].append(self._waiting.popleft())

    def _begin(self, worker: int, moment: float, id: int, architecture: Architecture) -> None:
        end = moment + self._durations[id]
        self.intervals.append((moment, end))
        heapq.heappush(self._ends, (end, id, worker, architecture))

    def _score(self, id: int, architecture: Architecture) -> Score:
        loss = np.mean([loss[gene] for loss, gene in zip(self._losses, architecture.genes, strict=True)])
        costs = exact_objectives(SPACE.cost(architecture))
        return Score("ok", {"error": float(0.2 + 0.4 * loss), **costs}, seconds=self._durations[id])


def simulate(explorer: str, workers: int, seed: int) -> Outcome:
    """One search with its journal, from nothing to the end of the budget."""
    variance = np.log(1 + VARIATION**2)
    draws = np.random.default_rng(seed).lognormal(-variance / 2, np.sqrt(variance), ROUNDS * workers)
    durations = (MEAN * draws).tolist()
    problem = Problem(SPACE, OBJECTIVES)
    engine = Virtual(workers, durations)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.jsonl", SPACE) as journal:
        asked = EXPLORERS[explorer](problem, _POPULATION)
        search(problem, asked, engine, journal, evaluations=len(durations), batch=_BATCH, seed=seed)
    ends = max(end for _, end in engine.intervals)
    until = engine.handed_out
    spent = sum(min(end, until) - begin for begin, end in engine.intervals if begin < until)
    return Outcome(
        explorer,
        workers,
        busy=spent / (workers * until),
        to_the_end=sum(durations) / (workers * ends),
        at_best=sum(durations) / (workers * _shortest(workers, durations)),
        driver_seconds=engine.driver,
        proposals_a_call=len(durations) / engine.calls,
    )


def _shortest(workers: int, durations: Sequence[float]) -> float:
    """Seconds of a search whose driver needs no time: whoever is free takes the next."""
    free = [0.0] * workers
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def plot(outcomes: Sequence[Outcome], path: Path) -> None:
    """Utilisation against workers, a colour for each explorer, and what no driver could do better."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for explorer in dict.fromkeys(outcome.explorer for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.explorer == explorer]
        workers = [o.workers for o in mine]
        (line,) = axes.plot(workers, [100 * o.busy for o in mine], marker="o", label=f"{explorer}, busy")
        ends = [100 * o.to_the_end for o in mine]
        axes.plot(
            workers, ends, marker="s", linestyle="--", color=line.get_color(), label=f"{explorer}, to the end"
        )
    best = {outcome.workers: 100 * outcome.at_best for outcome in outcomes}
    axes.plot(list(best), list(best.values()), color="grey", linewidth=1, label="at best, to the end")
    axes.axhline(100 * AIM, color="grey", linestyle=":", linewidth=1)
    axes.set(xscale="log", xlabel="workers", ylabel="workers' time in evaluations (%)", ylim=(50, 102))
    axes.set_xticks([o.workers for o in outcomes], [f"{o.workers:,}" for o in outcomes], minor=False)
    axes.minorticks_off()
    axes.legend(frameon=False, loc="lower left", ncols=2)
    figure.savefig(path, dpi=130)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command.parser("analysis.utilisation", __doc__)
    parser.add_argument("--explorers", default="surrogate,nsga2", help="names with commas")
    parser.add_argument("--workers", default="16,64,256,1024", help="numbers with commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, help="a PNG or SVG file to write")
    command.run(_run, parser, arguments)


def _run(asked: argparse.Namespace) -> None:
    names = [name.strip() for name in asked.explorers.split(",")]
    for name in names:
        if name not in EXPLORERS:
            raise UsageError(f"--explorers: unknown explorer {name!r}; {suggestion(name, EXPLORERS)}")
    try:
        workers = [int(number) for number in asked.workers.split(",")]
    except ValueError:
        raise UsageError(f"--workers {asked.workers}: write numbers like 16,64") from None
    outcomes = [simulate(name, number, asked.seed) for name in names for number in workers]
    if asked.plot:
        plot(outcomes, asked.plot)
    if asked.format == "json":
        console.print_json([asdict(outcome) for outcome in outcomes])
        return
    columns = ["explorer", "workers", "busy", "to the end", "at best", "driver", "proposals a call"]
    rows = [
        [
            o.explorer,
            f"{o.workers:,}",
            *(f"{100 * share:.1f} %" for share in (o.busy, o.to_the_end, o.at_best)),
            f"{o.driver_seconds:,.1f} s",
            f"{o.proposals_a_call:.1f}",
        ]
        for o in outcomes
    ]
    console.print_table(columns, rows, left=["explorer"])


if __name__ == "__main__":
    main()
