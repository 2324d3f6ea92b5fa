"""How many scores per second one driver takes from a cluster, journal included: evaluations without work.

A cluster of its own is started on this machine with a number of slots, regardless of its cores. Networks are
handed to the workers as a search does it, and each group of scores is written to the journal and synced
before more work is handed out. Seconds count from the first result, so they do not include the start.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path
from time import perf_counter
from typing import Any

from analysis.shared.markdown import table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.archive.archive import Proposal
from evo_bnas.archive.journal import Journal
from evo_bnas.cluster.engine import RayEngine
from evo_bnas.cluster.session import connected
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.evaluate.table import Table
from evo_bnas.space.genes import Architecture
from evo_bnas.space.table import TableSpace

TARGET = 1_000  # scores a second

_GENES, _OPTIONS = 20, 3  # enough networks, with keys as long as those of a space


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--actors", type=int, default=8, help="(default %(default)s)")
    parser.add_argument("--scores", type=int, default=20_000, help="(default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Seconds until the scores of all networks are in the journal."""
    journal = parts.folder / "journal.jsonl"
    journal.unlink(missing_ok=True)  # of an interrupted run
    genes = islice(product(range(_OPTIONS), repeat=_GENES), options.scores)
    scores = {"error": 0.5, "ops": 1.0, "params": 1.0}
    space = TableSpace("listed", [(tuple(map(str, row)), scores) for row in genes])
    networks = list(space.enumerate())
    table = Table(space.scores)
    settings = EngineSettings(workers=options.actors, cpus=0.01)
    begin = perf_counter()
    with connected(settings) as session, RayEngine(table, session, settings) as engine:
        engine.submit(0, networks[0])
        while not engine.poll():
            pass
        started = perf_counter()
        groups = _drain(engine, space, networks[1:], journal)
        seconds = perf_counter() - started
    taken = len(networks) - 1
    return {
        "taken": taken,
        "seconds": seconds,
        "per_second": taken / seconds,
        "groups": groups,
        "start_seconds": started - begin,
    }


def _drain(engine: RayEngine, space: TableSpace, networks: Sequence[Architecture], path: Path) -> int:
    """Keep the engine at its capacity; returns how many groups of scores were written."""
    groups = done = 0
    with Journal(path, space) as journal:
        while done < len(networks):
            proposed = len(journal.archive.proposals)
            room = min(engine.capacity - (proposed - done), len(networks) - proposed)
            if room > 0:
                new = networks[proposed : proposed + room]
                journal.add_proposals([Proposal(proposed + n, a, "listed", done) for n, a in enumerate(new)])
                for n, network in enumerate(new):
                    engine.submit(proposed + n, network)
            if scores := engine.poll():
                journal.add_scores(scores)
                groups += 1
                done += len(scores)
    return groups


def render(result: Result) -> str:
    """One row."""
    figures = result.figures
    columns = ["workers", "scores", "scores per second", "target", "synced groups", "start"]
    row = [
        f"{result.options['actors']}",
        f"{figures['taken']:,}",
        f"{figures['per_second']:,.0f}",
        f"{TARGET:,}",
        f"{figures['groups']:,}",
        f"{figures['start_seconds']:.1f} s",
    ]
    return table(columns, [row])


STUDY = Study(
    about=__doc__,
    section="What a driver can do",
    minutes=1,
    measure=measure,
    render=render,
    options=options,
    timing=True,
)
