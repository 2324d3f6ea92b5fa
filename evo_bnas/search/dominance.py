"""Who is better where errors or measured costs have limits: constrained dominance.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2), 2002, section VI.
"""

from collections.abc import Sequence

import numpy as np

from evo_bnas.archive.front import ranks
from evo_bnas.archive.score import Score
from evo_bnas.search.problem import Problem


def constrained_ranks(problem: Problem, scores: Sequence[Score]) -> np.ndarray:
    """The rank of each successful score, (scores,) int, 0 the best.

    Acceptable ones by dominance, then the others by how far they are from that.
    """
    values = np.array([[score.objectives[name] for name in problem.objectives] for score in scores])
    violation = np.array([problem.violation(score) for score in scores])
    acceptable = violation == 0
    ranked = np.empty(len(scores), dtype=int)
    if acceptable.any():
        ranked[acceptable] = ranks(values[acceptable])
    _, order = np.unique(violation[~acceptable], return_inverse=True)
    ranked[~acceptable] = len(scores) + order
    return ranked
