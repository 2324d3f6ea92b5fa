"""What a proposal costs beside its evaluation, and how that grows with the number of scores.

Errors are made up, and the space has 40 genes unless another one is named. Milliseconds are CPU time of one
round divided by its proposals, the minimum of a few rounds; growth is the exponent of the number of scores by
least squares over the sizes.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from time import process_time
from typing import Any

import numpy as np

from analysis.shared.made_up import OBJECTIVES, SPACE, MadeUpErrors
from analysis.shared.markdown import table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study, refuse_unknown
from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.score import Score
from evo_bnas.search import EXPLORERS
from evo_bnas.search.problem import Problem
from evo_bnas.space import catalogue

_POPULATION = 20
_NOISE = 0.003  # standard deviation of an error, so that surrogates cannot be exact


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument(
        "--explorers", nargs="+", default=("surrogate", "nsga2"), help="default: surrogate nsga2"
    )
    parser.add_argument("--space", help="a shipped one or a YAML file, instead of the one of 40 genes")
    parser.add_argument(
        "--scores", type=int, nargs="+", default=(250, 500, 1000, 2000), help="in the archive"
    )
    parser.add_argument("--batch", type=int, default=16, help="proposals of a round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Milliseconds per proposal for each number of scores, and their growth, by explorer."""
    refuse_unknown("--explorers", options.explorers, EXPLORERS)
    problem = Problem(catalogue.load(options.space) if options.space else SPACE, OBJECTIVES)
    archives = [archive_of(problem, size) for size in options.scores]
    n_log_n = growth(options.scores, [n * np.log(n) for n in options.scores])
    figures: dict[str, Any] = {"genes": len(problem.space.genes), "n log n": n_log_n}
    for name in options.explorers:
        ms = [_milliseconds(problem, name, archive, options.batch, options.rounds) for archive in archives]
        figures[name] = {"ms": ms, "growth": growth(options.scores, ms)}
    return figures


def archive_of(problem: Problem, size: int) -> Archive:
    """Scored networks spread over the cost."""
    rng = np.random.default_rng(size)
    archive, error = Archive(), MadeUpErrors(problem.space)
    while len(archive.proposals) < size:
        network = problem.sample(rng)
        if network in archive.architectures:
            continue
        noisy = float(np.clip(error(network) + rng.normal(0, _NOISE), 0, 1))
        id = len(archive.proposals)
        archive.add_proposal(Proposal(id, network, "made up", id))
        archive.add_score(id, Score("ok", {"error": noisy, **problem.costs(network)}))
    return archive


def growth(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The exponent e of values ~ sizes ** e, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _milliseconds(problem: Problem, name: str, archive: Archive, batch: int, rounds: int) -> float:
    """CPU time per proposal, the minimum of the rounds."""
    taken = []
    explorer = EXPLORERS[name](problem, _POPULATION)
    # In a search, an explorer has seen all but the last batch of the archive in an earlier round.
    explorer.propose(archive, batch, np.random.default_rng(rounds))
    for number in range(rounds):
        begin = process_time()
        candidates = explorer.propose(archive, batch, np.random.default_rng(number))
        taken.append(1e3 * (process_time() - begin) / len(candidates))
    return min(taken)


def render(result: Result) -> str:
    """One row for each explorer."""
    columns = ["ms per proposal", *(f"{size:,} scores" for size in result.options["scores"]), "growth"]
    rows = [
        [f"`{name}`", *(f"{value:.1f}" for value in result.figures[name]["ms"]),
         f"{result.figures[name]['growth']:.2f}"]
        for name in result.options["explorers"]
    ]  # fmt: skip
    return (
        f"{result.figures['genes']} genes, batches of {result.options['batch']}.\n\n"
        f"{table(columns, rows)}\n\n"
        f"An explorer whose time is proportional to n log n has a growth of {result.figures['n log n']:.2f}."
    )


STUDY = Study(
    about=__doc__,
    section="Time of a proposal",
    minutes=5,
    measure=measure,
    render=render,
    options=options,
    timing=True,
)
