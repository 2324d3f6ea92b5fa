"""Workers of a Ray cluster against plain processes that do the same evaluations on the same cores.

Networks of a recipe's space, drawn at random, are scored with the initial weights of a supernet, one thread a
process. Both kinds of processes are started and warm before the first round; then they take turns. Plain
processes are those of `multiprocessing`, which take networks from one queue. Memory is what a process has to
itself and what it shares, after all rounds. CPU time includes, on the side of the workers, the driver and all
of Ray.
"""

import multiprocessing
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from statistics import fmean
from time import perf_counter, process_time
from typing import Any

import numpy as np

from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from analysis.shared.timing import ratio
from evo_bnas.cluster.engine import RayEngine
from evo_bnas.cluster.session import connected
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.run import inputs
from evo_bnas.run.start import start
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.supernet import Supernet, save_supernet

TARGET = 0.95  # of the throughput of plain processes

_evaluator: Evaluator  # of a plain process


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--recipe", default="digits", help="(default %(default)s)")
    parser.add_argument("--backend", choices=("packed", "torch"), default="packed")
    parser.add_argument("--processes", type=int, default=2, help="(default %(default)s)")
    parser.add_argument("--networks", type=int, default=120, help="of a round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="(default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Both kinds of processes in turns, after one round each to warm up."""
    changes = ["engine.threads=1", "engine.device=cpu", f"evaluate.backend={options.backend}"]
    run = start(options.recipe, parts.folder / "run", changes)
    save_supernet(Supernet(run.space), run.supernet_file)  # untrained: it takes the same time
    evaluator = inputs.evaluator(run)
    rng = np.random.default_rng(0)
    drawn = [run.space.sample(rng) for _ in range(options.networks)]
    context = multiprocessing.get_context("spawn")  # as those of Ray, they share nothing by accident
    settings = EngineSettings(workers=options.processes)
    with (
        context.Pool(options.processes, _take, [evaluator]) as pool,
        connected(settings) as session,
        RayEngine(evaluator, session, settings) as engine,
    ):
        return _compared(engine, pool, drawn, options.rounds) | {
            "shared_megabytes": sum(array.nbytes for array in _arrays(evaluator)) / 1e6
        }


def _compared(engine: RayEngine, pool: Pool, networks: Sequence[Architecture], rounds: int) -> dict[str, Any]:
    _score_by_ray(engine, networks)
    _score_plainly(pool, networks)
    plain = [child.pid for child in multiprocessing.active_children() if child.pid]
    ray = [pid for pid in _descendants(os.getpid()) if pid not in plain]
    sides = {
        "ray": (partial(_score_by_ray, engine, networks), ray),
        "plain": (partial(_score_plainly, pool, networks), plain),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    cpu = dict.fromkeys(sides, 0.0)
    for _ in range(rounds):
        for name, (score, pids) in sides.items():
            begin, before = perf_counter(), _cpu_seconds(pids)
            score()
            seconds[name].append(perf_counter() - begin)
            cpu[name] += _cpu_seconds(pids) - before
    command_lines = [(pid, Path(f"/proc/{pid}/cmdline").read_bytes()) for pid in ray]
    workers = [pid for pid, line in command_lines if line.startswith(b"ray::Worker")]
    return {
        "networks_per_second": {name: len(networks) / float(np.median(own)) for name, own in seconds.items()},
        "throughput": ratio(np.array(seconds["plain"]), np.array(seconds["ray"])),
        "throughput_by_cpu_time": cpu["plain"] / cpu["ray"],
        "megabytes": {"ray": _memory(workers), "plain": _memory(plain)},
    }


def _take(evaluator: Evaluator) -> None:
    global _evaluator
    _evaluator = evaluator


def _score(architecture: Architecture) -> None:
    _evaluator([architecture])


def _score_by_ray(engine: RayEngine, networks: Sequence[Architecture]) -> None:
    for id, network in enumerate(networks):
        engine.submit(id, network)
    left = len(networks)
    while left:
        left -= len(engine.poll())


def _score_plainly(pool: Pool, networks: Sequence[Architecture]) -> None:
    for _ in pool.imap_unordered(_score, networks):
        pass


def _cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time of this process and of some others so far."""
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


def _memory(pids: Sequence[int]) -> dict[str, float]:
    """MB that a process has to itself and that it shares, on average."""
    own, shared = [], []
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        kibibytes = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
        own.append(1.024e-3 * (kibibytes["Private_Clean"] + kibibytes["Private_Dirty"]))
        shared.append(1.024e-3 * kibibytes["Rss"] - own[-1])
    return {"own": fmean(own), "shared": fmean(shared)}


def render(result: Result) -> str:
    """One row for each kind of process."""
    figures = result.figures
    labels = {"ray": "workers of Ray", "plain": "plain processes"}
    rows = [
        [
            f"{result.options['processes']} {label}",
            f"{figures['networks_per_second'][name]:.1f}",
            *(f"{figures['megabytes'][name][what]:.0f} MB" for what in ("own", "shared")),
        ]
        for name, label in labels.items()
    ]
    low, median, high = (percent(value, 1) for value in figures["throughput"])
    columns = ["", "networks/s", "memory of each", "shared memory"]
    return (
        f"{table(columns, rows)}\n\nThe throughput of the workers is {median} ({low} to {high}) of that of "
        f"plain processes, {percent(figures['throughput_by_cpu_time'], 1)} by CPU time; the target is "
        f"{percent(TARGET)}. Weights, calibration and search images are stored once on a node: "
        f"{figures['shared_megabytes']:.1f} MB for the recipe `{result.options['recipe']}`."
    )


STUDY = Study(
    about=__doc__,
    section="Workers of Ray beside plain processes",
    minutes=5,
    measure=measure,
    render=render,
    options=options,
    timing=True,
)
