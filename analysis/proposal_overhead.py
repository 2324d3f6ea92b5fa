"""What a proposal costs beside its evaluation, and how that grows with the scores.

    python -m analysis.proposal_overhead --explorers surrogate,nsga2

A space of 40 genes whose errors are made up. Milliseconds are processor time of one round divided by its
proposals, the least of a few rounds; growth is the exponent of the scores by least squares over the sizes,
beside that of n log n. Run it with OMP_NUM_THREADS=1, or the time of all threads is added up.
"""

import argparse
from collections.abc import Sequence
from time import process_time

import numpy as np

from analysis import command
from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.score import Score
from evo_bnas.cli import console
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.search import EXPLORERS
from evo_bnas.search.problem import Problem
from evo_bnas.space import catalogue
from evo_bnas.space.chain import ChainSpace
from evo_bnas.space.chain_definition import ChainDefinition

SIZES = (250, 500, 1_000, 2_000)
OBJECTIVES = ("error", "ops", "params")
_POPULATION = 20

_BLOCK = {"groups": [1, 2, 4], "kernel": [3, 5]}
SPACE = ChainSpace(
    "forty",
    ChainDefinition.model_validate(
        {
            "family": "chain",
            "block": "react",
            "image": [3, 32, 32],
            "classes": 10,
            "stem": {"channels": 16},
            "stages": [
                {"channels": 16 * width, "blocks": 5, "stride": stride, "each": _BLOCK}
                for width, stride in ((1, 1), (2, 2), (4, 2), (8, 2))
            ],
        }
    ),
)


def archive_of(problem: Problem, size: int) -> Archive:
    """So many networks over the cost with separable errors and some noise."""
    rng = np.random.default_rng(size)
    losses = [np.random.default_rng(i).random(options) for i, options in enumerate(problem.space.sizes)]
    archive = Archive()
    while len(archive.proposals) < size:
        network = problem.sample(rng)
        if network in archive.architectures:
            continue
        loss = np.mean([loss[gene] for loss, gene in zip(losses, network.genes, strict=True)])
        error = float(np.clip(0.2 + 0.4 * loss + rng.normal(0, 0.003), 0, 1))
        id = len(archive.proposals)
        archive.add_proposal(Proposal(id, network, "made up", id))
        archive.add_score(id, Score("ok", {"error": error, **problem.costs(network)}))
    return archive


def milliseconds(problem: Problem, explorer: str, archive: Archive, batch: int, rounds: int) -> float:
    """Per proposal, the least of so many rounds."""
    taken = []
    asked = EXPLORERS[explorer](problem, _POPULATION)
    # In a search all but the last batch of the archive were met in an earlier round.
    asked.propose(archive, batch, np.random.default_rng(rounds))
    for number in range(rounds):
        begin = process_time()
        candidates = asked.propose(archive, batch, np.random.default_rng(number))
        taken.append(1e3 * (process_time() - begin) / len(candidates))
    return min(taken)


def growth(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The exponent e of values ~ sizes ** e, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    command.run(_run, _parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("analysis.proposal_overhead", __doc__)
    parser.add_argument("--explorers", default="surrogate,multi-population,nsga2", help="names with commas")
    parser.add_argument("--space", help="shipped space or YAML file, instead of the one of 40 genes")
    parser.add_argument("--batch", type=int, default=16, help="proposals of a round")
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def _run(asked: argparse.Namespace) -> None:
    names = [name.strip() for name in asked.explorers.split(",")]
    for name in names:
        if name not in EXPLORERS:
            raise UsageError(f"--explorers: unknown explorer {name!r}; {suggestion(name, EXPLORERS)}")
    space = catalogue.load(asked.space) if asked.space else SPACE
    problem = Problem(space, OBJECTIVES)
    archives = {size: archive_of(problem, size) for size in SIZES}
    taken = {
        name: [milliseconds(problem, name, archives[size], asked.batch, asked.rounds) for size in SIZES]
        for name in names
    }
    bound = growth(SIZES, [size * np.log(size) for size in SIZES])
    if asked.format == "table":
        rows = [
            [name, *(f"{value:.2f}" for value in values), f"{growth(SIZES, values):.2f}"]
            for name, values in taken.items()
        ]
        columns = ["ms per proposal", *(f"{size:,} scores" for size in SIZES), f"growth (≤ {bound:.2f})"]
        console.print_table(columns, rows, left=["ms per proposal"])
    else:
        console.print_json(
            {
                "genes": len(space.genes),
                "batch": asked.batch,
                "scores": list(SIZES),
                "growth_n_log_n": bound,
                "explorers": {
                    name: {"milliseconds_per_proposal": values, "growth": growth(SIZES, values)}
                    for name, values in taken.items()
                },
            }
        )


if __name__ == "__main__":
    main()
