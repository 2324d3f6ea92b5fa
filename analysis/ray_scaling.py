"""Two workers of a cluster against two plain processes that do the same evaluations on the same cores.

    OMP_NUM_THREADS=1 python -m analysis.ray_scaling --rounds 5 --networks 60

Networks of a recipe's space, drawn at random, are scored with the weights that a supernet begins with, one
thread a process. Both kinds of processes are started and warm before the first round; then they take turns.
Plain processes are those of `multiprocessing`, which take a network from one queue whenever they are free.
Memory is what a process has to itself and what it shares, after all rounds. On a machine that others load
the ratio of the processor's time says more than that of the clock: it counts, for the workers, the driver and
all of Ray as well.
"""

import argparse
import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np

from analysis import command
from evo_bnas.cli import console
from evo_bnas.cluster.engine import RayEngine
from evo_bnas.cluster.session import connected
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.run import inputs
from evo_bnas.run.start import start
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.supernet import Supernet, save_supernet

_evaluator: Evaluator  # of a plain process


@dataclass(frozen=True)
class Memory:
    """What one process holds, in MB."""

    own: float
    shared: float


@dataclass(frozen=True)
class Outcome:
    """Networks a second, round by round, and memory by process."""

    workers: list[float]
    plain: list[float]
    worker_seconds: float  # of processor in all rounds, with those of the driver and of Ray
    plain_seconds: float
    worker_memory: list[Memory]
    plain_memory: list[Memory]
    arrays: float  # MB of weights and images, once in the object store

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.workers, self.plain, strict=True)]


def prepared(recipe: str, backend: str, folder: Path) -> SupernetEvaluator:
    """The evaluator of a run whose supernet is not trained, which takes the same time."""
    changes = ["engine.threads=1", "engine.device=cpu", f"evaluate.backend={backend}"]
    run = start(recipe, folder / "run", changes)
    save_supernet(Supernet(run.space), run.supernet_file)
    return inputs.evaluator(run)


def compare(evaluator: SupernetEvaluator, processes: int, networks: int, rounds: int) -> Outcome:
    """Both kinds in turn, after one round each that does not count."""
    space = evaluator.supernet.space
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(networks)]
    context = multiprocessing.get_context("spawn")  # as Ray's, they share nothing by accident
    asked = EngineSettings(workers=processes)
    with (
        context.Pool(processes, _take, [evaluator]) as pool,
        connected(asked) as session,
        RayEngine(evaluator, session, asked) as engine,
    ):
        _scored(engine, drawn)
        _scored_plainly(pool, drawn)
        plain = [child.pid for child in multiprocessing.active_children() if child.pid]
        ray = [pid for pid in _descendants(os.getpid()) if pid not in plain]
        sides = ((partial(_scored, engine), ray), (partial(_scored_plainly, pool), plain))
        rates: tuple[list[float], list[float]] = ([], [])
        spent = [0.0, 0.0]
        for _ in range(rounds):
            for side, (score, pids) in enumerate(sides):
                begin, before = perf_counter(), _processor(pids)
                score(drawn)
                rates[side].append(networks / (perf_counter() - begin))
                spent[side] += _processor(pids) - before
        named = [(pid, Path(f"/proc/{pid}/cmdline").read_bytes()) for pid in ray]
        return Outcome(
            rates[0],
            rates[1],
            spent[0],
            spent[1],
            [_memory(pid) for pid, command_line in named if command_line.startswith(b"ray::Worker")],
            [_memory(pid) for pid in plain],
            sum(array.nbytes for array in _arrays(evaluator)) / 1e6,
        )


def _take(evaluator: Evaluator) -> None:
    global _evaluator
    _evaluator = evaluator


def _score(architecture: Architecture) -> None:
    _evaluator([architecture])


def _scored(engine: RayEngine, networks: Sequence[Architecture]) -> None:
    for id, network in enumerate(networks):
        engine.submit(id, network)
    left = len(networks)
    while left:
        left -= len(engine.poll())


def _scored_plainly(pool: Pool, networks: Sequence[Architecture]) -> None:
    for _ in pool.imap_unordered(_score, networks):
        pass


def _processor(pids: Sequence[int]) -> float:
    """Processor time of this process and of some others so far, in seconds."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # in user mode, in the kernel
    return process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _arrays(evaluator: SupernetEvaluator) -> Iterator[np.ndarray]:
    state = evaluator.__getstate__()
    yield from state["shared"].values()
    yield state["calibration"]
    yield from state["search"]


def _descendants(pid: int) -> Iterator[int]:
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        for number in map(int, child.read_text().split()):
            yield number
            yield from _descendants(number)


def _memory(pid: int) -> Memory:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
    own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return Memory(own * 1.024e-3, (kilobytes["Rss"] - own) * 1.024e-3)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command.parser("analysis.ray_scaling", __doc__)
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--backend", choices=("packed", "torch"), default="packed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    command.run(_run, parser, arguments)


def _run(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        evaluator = prepared(asked.recipe, asked.backend, Path(folder))
        outcome = compare(evaluator, asked.processes, asked.networks, asked.rounds)
    if asked.format == "json":
        console.print_json(asdict(outcome) | {"ratios": outcome.ratios})
        return
    rows = [
        [f"{number}", f"{ours:.2f}", f"{theirs:.2f}", f"{100 * ratio:.1f} %"]
        for number, (ours, theirs, ratio) in enumerate(
            zip(outcome.workers, outcome.plain, outcome.ratios, strict=True), 1
        )
    ]
    console.print_table(["round", "workers, networks/s", "plain processes, networks/s", "ratio"], rows)
    ratio = outcome.plain_seconds / outcome.worker_seconds
    console.say(f"\nmedian ratio {100 * median(outcome.ratios):.1f} %, of processor time {100 * ratio:.1f} %")
    for what, found in (("worker", outcome.worker_memory), ("plain process", outcome.plain_memory)):
        held = ", ".join(f"{one.own:.0f} MB own and {one.shared:.0f} MB shared" for one in found)
        console.say(f"memory of each {what}: {held}")
    console.say(f"weights and images: {outcome.arrays:.1f} MB, once a node")


if __name__ == "__main__":
    main()
