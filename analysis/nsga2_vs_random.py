"""Does NSGA-II find a better front than random search with equal evaluations, on a run's own supernet?

    python -m analysis.nsga2_vs_random --run runs/out/digits --seeds 10 --evaluations 200

Paired over seeds: both start from the same first design. The measure is the normalised hypervolume after
half of the evaluations and after all. Scores are kept in the run's folder, each architecture's once.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from evo_bnas.archive.archive import Proposal
from evo_bnas.archive.front import hypervolume_trace
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.evaluate.engine import Evaluator, InProcess
from evo_bnas.progress import Progress, Report, silent
from evo_bnas.search import EXPLORERS
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.search.settings import SearchSettings
from evo_bnas.space.genes import Architecture

COMPARED = ("nsga2", "random")
TIE = 1e-9  # hypervolumes nearer than this are equal
RESAMPLES = 10_000


@dataclass(frozen=True)
class Comparison:
    """Hypervolumes of both explorers after a number of evaluations, one a seed."""

    evaluations: int
    nsga2: list[float]
    random: list[float]

    @property
    def differences(self) -> np.ndarray:
        """NSGA-II minus random search."""
        difference: np.ndarray = np.subtract(self.nsga2, self.random)
        return difference

    @property
    def wins(self) -> int:
        return int((self.differences > TIE).sum())

    @property
    def ties(self) -> int:
        return int((np.abs(self.differences) <= TIE).sum())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % percentile bootstrap interval of the mean difference (Efron, 1979)."""
        draws = np.random.default_rng(0).choice(self.differences, (RESAMPLES, len(self.differences)))
        low, high = np.percentile(draws.mean(axis=1), [2.5, 97.5])
        return float(low), float(high)

    def figures(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "evaluations": self.evaluations,
            "mean_difference": float(self.differences.mean()),
            "interval": self.interval,
            "wins": self.wins,
            "ties": self.ties,
            "seeds": len(self.nsga2),
            "nsga2": self.nsga2,
            "random": self.random,
        }

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.evaluations:5} evaluations: nsga2 {np.median(self.nsga2):.4f}, "
            f"random {np.median(self.random):.4f} (medians); difference {self.differences.mean():+.4f} "
            f"[{low:+.4f}, {high:+.4f}]; {self.wins} wins, {self.ties} ties of {len(self.nsga2)} seeds"
        )


class Remembering:
    """An evaluator that asks another one once for each architecture; the journal remembers the scores."""

    def __init__(self, evaluator: Evaluator, journal: Journal) -> None:
        self._evaluator = evaluator
        self._journal = journal
        self._ids = {proposal.key: proposal.id for proposal in journal.archive.proposals}

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self._score(architecture) for architecture in architectures]

    def _score(self, architecture: Architecture) -> Score:
        scores = self._journal.archive.scores
        id = self._ids.setdefault(architecture.key, len(self._ids))
        if id == len(self._journal.archive.proposals):
            self._journal.add_proposals([Proposal(id, architecture, "study", len(scores))])
        if id not in scores:
            (score,) = self._evaluator([architecture])
            self._journal.add_scores([(id, score)])
        return scores[id]


def compare(
    problem: Problem, evaluator: Evaluator, *, seeds: int, evaluations: int, report: Report = silent
) -> list[Comparison]:
    """Search with both explorers under every seed; compares after half of the evaluations and after all."""
    traces: dict[str, list[list[float]]] = {name: [] for name in COMPARED}
    for seed in range(seeds):
        for name in COMPARED:
            traces[name].append(_trace(problem, name, evaluator, evaluations, seed))
        figures = ", ".join(f"{name} {traces[name][-1][-1]:.4f}" for name in COMPARED)
        report(Progress("compare", seed + 1, seeds, "seeds", figures))
    return [
        Comparison(count, *([trace[count - 1] for trace in traces[name]] for name in COMPARED))
        for count in (evaluations // 2, evaluations)
    ]


def _trace(problem: Problem, name: str, evaluator: Evaluator, evaluations: int, seed: int) -> list[float]:
    settings = SearchSettings()
    with TemporaryDirectory() as folder, Journal(Path(folder) / "journal.jsonl", problem.space) as journal:
        search(
            problem,
            EXPLORERS[name](problem, settings.population),
            InProcess(evaluator),
            journal,
            evaluations=evaluations,
            batch=settings.batch,
            seed=seed,
        )
        trace = hypervolume_trace(journal.archive.frame(), problem.objectives, problem.bounds())
    # A space that is exhausted before its budget has nothing more to gain.
    return trace + trace[-1:] * (evaluations - len(trace))


def main() -> None:
    """Compare on a run's supernet; figures go to stdout, progress to stderr."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of a run with a trained supernet")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=200, help="of each search")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args()

    from evo_bnas.run.inputs import open_evaluator  # torch, which --help need not wait for

    space, evaluator = open_evaluator(options.run)
    folder = options.run / "analysis"
    folder.mkdir(exist_ok=True)
    with Journal(folder / "scores.jsonl", space) as scores:
        compared = compare(
            Problem(space, SearchSettings().objectives),
            Remembering(evaluator, scores),
            seeds=options.seeds,
            evaluations=options.evaluations,
            report=lambda now: print(f"seed {now.done} of {now.total}: {now.figures}", file=sys.stderr),
        )
        distinct = len(scores.archive.scores)
    if options.format == "json":
        figures = [comparison.figures() for comparison in compared]
        print(json.dumps({"run": str(options.run), "distinct": distinct, "comparisons": figures}))
    else:
        print(*compared, f"{distinct:,} distinct networks in {folder / 'scores.jsonl'}", sep="\n")


if __name__ == "__main__":
    main()
