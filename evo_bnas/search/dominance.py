"""Who is better where a greatest error is wished for: constrained dominance.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2), 2002, section VI.
"""

from collections.abc import Sequence

import numpy as np

from evo_bnas.results.front import ranks
from evo_bnas.score import Score
from evo_bnas.search.problem import Problem


def constrained_ranks(problem: Problem, scores: Sequence[Score]) -> np.ndarray:
    """The rank of each successful score, (scores,) int, 0 the best.

    Acceptable ones by dominance, then the others by their error.
    """
    values = np.array([[score.objectives[name] for name in problem.objectives] for score in scores])
    errors = np.array([score.objectives["error"] for score in scores])
    acceptable = np.array([problem.acceptable(score) for score in scores], dtype=bool)
    ranked = np.empty(len(scores), dtype=int)
    if acceptable.any():
        ranked[acceptable] = ranks(values[acceptable])
    _, order = np.unique(errors[~acceptable], return_inverse=True)
    ranked[~acceptable] = len(scores) + order
    return ranked
