"""How many scores a second one driver takes from a cluster, journal included: evaluations of zero work.

    python -m analysis.ray_driver --actors 8 --results 20000

A cluster of one's own is started on this machine with so many slots, whatever its cores. Networks are handed
to the workers as a search does it, and each drained group is written to the journal and synced before more
is handed out. Seconds count from the first result: start-up is apart.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from time import perf_counter

from analysis import command
from evo_bnas.archive.archive import Proposal
from evo_bnas.archive.journal import Journal
from evo_bnas.cli import console
from evo_bnas.cluster.engine import RayEngine
from evo_bnas.cluster.session import connected
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.evaluate.table import Table
from evo_bnas.space.genes import Architecture
from evo_bnas.space.table import TableSpace

_GENES = 20  # of three options: more networks than are needed, with keys as long as those of a space


@dataclass(frozen=True)
class Rate:
    """What one driver took."""

    results: int
    seconds: float
    start_seconds: float
    groups: int  # syncs of the journal

    @property
    def per_second(self) -> float:
        return self.results / self.seconds


def measure(actors: int, results: int, folder: Path) -> Rate:
    """Results until so many are in the journal, each of another network."""
    rows = islice(product("012", repeat=_GENES), results)
    space = TableSpace("made up", [(row, {"error": 0.5, "ops": 1.0, "params": 1.0}) for row in rows])
    networks, table = list(space.enumerate()), Table(space.scores)
    asked = EngineSettings(workers=actors, cpus=0.01)
    begun = perf_counter()
    with connected(asked) as session, RayEngine(table, session, asked) as engine:
        engine.submit(0, networks[0])
        while not engine.poll():
            pass
        started = perf_counter()
        groups = _drain(engine, space, networks[1:], folder / "journal.jsonl")
        return Rate(len(networks) - 1, perf_counter() - started, started - begun, groups)


def _drain(engine: RayEngine, space: TableSpace, networks: Sequence[Architecture], path: Path) -> int:
    """Keep the engine at its capacity; returns how often scores were written down."""
    groups = done = 0
    with Journal(path, space) as journal:
        while done < len(networks):
            asked = len(journal.archive.proposals)
            room = min(engine.capacity - (asked - done), len(networks) - asked)
            if room > 0:
                fresh = networks[asked : asked + room]
                journal.add_proposals([Proposal(asked + n, a, "listed", done) for n, a in enumerate(fresh)])
                for n, network in enumerate(fresh):
                    engine.submit(asked + n, network)
            if scores := engine.poll():
                journal.add_scores(scores)
                groups += 1
                done += len(scores)
    return groups


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command.parser("analysis.ray_driver", __doc__)
    parser.add_argument("--actors", type=int, default=8)
    parser.add_argument("--results", type=int, default=20_000)
    command.run(_run, parser, arguments)


def _run(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rate = measure(asked.actors, asked.results, Path(folder))
    if asked.format == "json":
        console.print_json(
            {
                "actors": asked.actors,
                "results": rate.results,
                "seconds": rate.seconds,
                "results_per_second": rate.per_second,
                "start_seconds": rate.start_seconds,
                "groups": rate.groups,
            }
        )
        return
    console.say(
        f"{rate.results:,} results of {asked.actors} actors in {rate.seconds:.1f} s: {rate.per_second:,.0f} "
        f"a second, written down in {rate.groups:,} groups; start-up took {rate.start_seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
