"""How busy a search keeps many workers: real explorers and the real search loop on a virtual clock.

Evaluations take log-normal times, and the budget is ten evaluations for each worker. The CPU time that the
search itself needs between two polls, for proposals and the journal, passes on the virtual clock as well, and
no work is handed out meanwhile. As on a cluster, each worker has one evaluation running and one waiting.

`busy` is the share of the workers' time that goes into evaluations until the last proposal is handed out;
after that, workers run out of work with any explorer. `to the end` includes the wait for the last
evaluations, and `instant driver` is what a driver that needs no time reaches with the same evaluation times.
"""

import heapq
import tempfile
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from analysis.shared.made_up import OBJECTIVES, SPACE, MadeUpErrors
from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study, refuse_unknown
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.plots import style
from evo_bnas.search import EXPLORERS
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

MEAN, VARIATION = 30.0, 0.5  # seconds of an evaluation, and their standard deviation as a share of the mean
ROUNDS = 10  # evaluations for each worker
TARGET = 0.9
_POPULATION, _BATCH = 20, 16
_CALLS = 2  # of a worker: one runs, one waits

_Item = tuple[int, Architecture]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How well one search used its workers, as shares of their time."""

    explorer: str
    workers: int
    busy: float
    to_the_end: float
    instant_driver: float
    driver_seconds: float


class Virtual:
    """An engine whose workers only wait, on a clock that the CPU time of the driver moves as well."""

    def __init__(self, workers: int, durations: Sequence[float]) -> None:
        self.capacity = _CALLS * workers
        self.now = self.driver = self.handed_out = 0.0  # seconds; handed_out: when the last item was
        self.intervals: list[tuple[float, float]] = []  # of every evaluation
        self._durations = durations
        self._error = MadeUpErrors(SPACE)
        self._waiting: deque[_Item] = deque()
        self._next: list[deque[_Item]] = [deque() for _ in range(workers)]
        self._free = list(range(workers))
        self._ends: list[tuple[float, int, int, Architecture]] = []  # time, id, worker
        self._polled = process_time()

    def submit(self, id: int, architecture: Architecture) -> None:
        self._waiting.append((id, architecture))

    def poll(self) -> list[tuple[int, Score]]:
        """What ended while the driver was busy, or else what ends next."""
        taken = process_time() - self._polled
        self.now, self.driver = self.now + taken, self.driver + taken
        done = self._ended()
        if self._waiting:
            self.handed_out = self.now
        self._hand_out()
        if not done:
            self.now = self._ends[0][0]
            done = self._ended()
        self._polled = process_time()
        return done

    def _ended(self) -> list[tuple[int, Score]]:
        """What has ended by now; each worker continues with its waiting evaluation, or becomes free."""
        done = []
        while self._ends and self._ends[0][0] <= self.now:
            moment, id, worker, architecture = heapq.heappop(self._ends)
            if self._next[worker]:
                self._start(worker, moment, *self._next[worker].popleft())
            else:
                self._free.append(worker)
            done.append((id, self._score(id, architecture)))
        return done

    def _hand_out(self) -> None:
        """Give work to free workers first, then to those that have nothing waiting."""
        while self._waiting and self._free:
            self._start(self._free.pop(), self.now, *self._waiting.popleft())
        for _, _, worker, _ in self._ends:
            if self._waiting and not self._next[worker]:
                self._next[worker].append(self._waiting.popleft())

    def _start(self, worker: int, moment: float, id: int, architecture: Architecture) -> None:
        end = moment + self._durations[id]
        self.intervals.append((moment, end))
        heapq.heappush(self._ends, (end, id, worker, architecture))

    def _score(self, id: int, architecture: Architecture) -> Score:
        costs = exact_objectives(SPACE.cost(architecture))
        return Score("ok", {"error": self._error(architecture), **costs}, seconds=self._durations[id])


def simulate(explorer: str, workers: int, seed: int) -> Outcome:
    """One search with its journal, from its start to the end of the budget."""
    variance = np.log(1 + VARIATION**2)
    draws = np.random.default_rng(seed).lognormal(-variance / 2, np.sqrt(variance), ROUNDS * workers)
    durations = (MEAN * draws).tolist()
    problem = Problem(SPACE, OBJECTIVES)
    engine = Virtual(workers, durations)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.jsonl", SPACE) as journal:
        search(
            problem,
            EXPLORERS[explorer](problem, _POPULATION),
            engine,
            journal,
            evaluations=len(durations),
            batch=_BATCH,
            seed=seed,
        )
    until = engine.handed_out
    spent = sum(min(end, until) - begin for begin, end in engine.intervals if begin < until)
    return Outcome(
        explorer,
        workers,
        busy=spent / (workers * until),
        to_the_end=sum(durations) / (workers * max(end for _, end in engine.intervals)),
        instant_driver=sum(durations) / (workers * _shortest(workers, durations)),
        driver_seconds=engine.driver,
    )


def _shortest(workers: int, durations: Sequence[float]) -> float:
    """Seconds of a search whose driver needs no time: a free worker takes the next evaluation at once."""
    free = [0.0] * workers
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument(
        "--explorers", nargs="+", default=("surrogate", "nsga2"), help="default: surrogate nsga2"
    )
    parser.add_argument("--workers", type=int, nargs="+", default=(16, 64, 256, 1024), help="numbers of them")
    parser.add_argument("--seed", type=int, default=0)


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """The outcome for every explorer and number of workers."""
    refuse_unknown("--explorers", options.explorers, EXPLORERS)
    return {
        "mean_seconds": MEAN,
        "variation": VARIATION,
        "evaluations_per_worker": ROUNDS,
        "searches": [
            parts.get(f"{name}-{workers}", simulate, name, workers, options.seed)
            for workers in options.workers
            for name in options.explorers
        ],
    }


def render(result: Result) -> str:
    """One row for each number of workers."""
    names = result.options["explorers"]
    columns = [
        "workers",
        *(f"`{name}`: {what}" for name in names for what in ("busy", "to the end")),
        "instant driver, to the end",
    ]
    rows = []
    for workers in result.options["workers"]:
        own = {one["explorer"]: one for one in result.figures["searches"] if one["workers"] == workers}
        shares = [own[name][what] for name in names for what in ("busy", "to_the_end")]
        rows.append(
            [f"{workers:,}", *(percent(share, 1) for share in (*shares, own[names[0]]["instant_driver"]))]
        )
    figures = result.figures
    return (
        f"Evaluations of {figures['mean_seconds']:g} s on average, with a coefficient of variation of "
        f"{figures['variation']}; {figures['evaluations_per_worker']} evaluations for each worker. The "
        f"target is {percent(TARGET)} while there is work to hand out.\n\n{table(columns, rows)}"
    )


def draw(result: Result, path: Path) -> None:
    """Utilisation by the number of workers, one colour for each explorer."""
    searches, workers = result.figures["searches"], result.options["workers"]
    figure, axes = style.new_figure()
    for name, colour in zip(result.options["explorers"], style.SERIES, strict=False):
        own = [one for one in searches if one["explorer"] == name]
        for what, line, marker in (("busy", "-", "o"), ("to_the_end", "--", "s")):
            shares = [100 * one[what] for one in own]
            label = f"{name}, {what.replace('_', ' ')}"
            axes.plot(
                workers, shares, marker=marker, linestyle=line, color=colour, linewidth=1.4, label=label
            )
    instant = {one["workers"]: 100 * one["instant_driver"] for one in searches}
    axes.plot(
        list(instant),
        list(instant.values()),
        color=style.GREY,
        linewidth=1.4,
        label="instant driver, to the end",
    )
    axes.axhline(100 * TARGET, color=style.GREY, linestyle=":", linewidth=1)
    axes.set(xscale="log", ylim=(50, 102))
    axes.set_xticks(workers, [f"{number:,}" for number in workers], minor=False)
    axes.minorticks_off()
    title = "How busy a search keeps its workers"
    style.label(axes, title, "workers", "workers' time in evaluations (%)", legend="lower left")
    style.save(figure, path)


STUDY = Study(
    about=__doc__,
    section="How busy many workers are",
    minutes=30,
    measure=measure,
    render=render,
    options=options,
    picture="utilisation.png",
    draw=draw,
)
