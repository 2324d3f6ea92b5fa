"""Constrained dominance: networks within the limits are better than networks beyond them.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2), 2002, section VI.
"""

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.front import ranks
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture


def constrained_ranks(points: np.ndarray, violation: np.ndarray) -> np.ndarray:
    """The rank of each row of points (n, objectives), (n,) int, 0 the best.

    Rows without violation (n,) come first, by non-dominated rank; the others follow by their violation.
    """
    rank = np.zeros(len(points), dtype=int)
    within = violation == 0
    if within.any():
        rank[within] = ranks(points[within])
    return lexicographic_ranks(violation, rank)


def lexicographic_ranks(*keys: np.ndarray) -> np.ndarray:
    """Ranks (n,) int from 0 of rows compared by the first key (n,), then by the second, and so on."""
    order = np.lexsort(keys[::-1])
    columns = np.stack(keys)[:, order]
    rank = np.zeros(len(order), dtype=int)
    rank[order[1:]] = np.cumsum((columns[:, 1:] != columns[:, :-1]).any(axis=0))
    return rank


def constrained_front(problem: Problem, archive: Archive) -> list[Architecture]:
    """The architectures of the first rank among all scored ones, in order of proposal."""
    scored = archive.scored
    scores = [score for _, score in scored]
    rank = constrained_ranks(problem.points(scores), problem.violation(scores))
    return [scored[index][0].architecture for index in np.flatnonzero(rank == 0)]
