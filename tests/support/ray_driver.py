"""A search on a cluster: python -m tests.support.ray_driver FOLDER ADDRESS WAIT.

The networks of its space after the first WAIT are scored when the file `go` is in the folder. It takes a head
to be lost sooner than a user's search does.
"""

import sys
from pathlib import Path

from evo_bnas.archive.journal import Journal
from evo_bnas.cluster import session
from evo_bnas.cluster.access import open_engine
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import ClusterError
from evo_bnas.search import EXPLORERS
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.space.table import TableSpace
from tests.support.ray_evaluators import Told
from tests.support.synthetic import separable_table

OBJECTIVES = ("error", "ops", "params")
POPULATION = 10


def drive(space: TableSpace, told: Told, asked: EngineSettings, *, evaluations: int, batch: int = 8) -> None:
    """A search, or the rest of one, into the journal in the folder of its evaluator."""
    problem = Problem(space, OBJECTIVES)
    with (
        Journal(told.folder / "journal.jsonl", space) as journal,
        open_engine(asked, told, evaluations) as engine,
    ):
        explorer = EXPLORERS["nsga2"](problem, POPULATION)
        search(problem, explorer, engine, journal, evaluations=evaluations, batch=batch, seed=0)


if __name__ == "__main__":
    table, folder = separable_table(), Path(sys.argv[1])
    told = Told(table.scores, folder, dict.fromkeys(list(table.scores)[int(sys.argv[3]) :], "wait"))
    session._LOST_SECONDS = 2.0
    try:
        drive(table, told, EngineSettings(workers=2, address=sys.argv[2]), evaluations=40)
    except ClusterError as failure:
        sys.exit(str(failure))
