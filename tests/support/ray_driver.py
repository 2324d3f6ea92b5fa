"""A search on a cluster: python -m tests.support.ray_driver FOLDER ADDRESS WAIT.

Networks after the first WAIT of its space are scored once the file `go` is in the folder. A lost head is
noticed sooner than in a user's search.
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
from tests.support.ray_evaluators import FaultyTable
from tests.support.synthetic import separable_table

OBJECTIVES = ("error", "ops", "params")
POPULATION = 10


def drive(
    space: TableSpace, evaluator: FaultyTable, settings: EngineSettings, *, evaluations: int, batch: int = 8
) -> None:
    """Start or resume a search; its journal is in the folder of the evaluator."""
    problem = Problem(space, OBJECTIVES)
    with (
        Journal(evaluator.folder / "journal.jsonl", space) as journal,
        open_engine(settings, evaluator, evaluations) as engine,
    ):
        explorer = EXPLORERS["nsga2"](problem, POPULATION)
        search(problem, explorer, engine, journal, evaluations=evaluations, batch=batch, seed=0)


if __name__ == "__main__":
    table, folder = separable_table(), Path(sys.argv[1])
    waiting = list(table.scores)[int(sys.argv[3]) :]
    evaluator = FaultyTable(table.scores, folder, dict.fromkeys(waiting, "wait"))
    session.LOST_SECONDS = 2.0
    try:
        drive(table, evaluator, EngineSettings(workers=2, address=sys.argv[2]), evaluations=40)
    except ClusterError as failure:
        sys.exit(str(failure))
