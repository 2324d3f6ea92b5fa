"""Which networks a further rung trains, by non-dominated rank.

Schmucker et al., "Multi-objective asynchronous successive halving", 2021; ties in rank are broken by the
crowding distance of NSGA-II instead of an epsilon-net.
"""

import numpy as np
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

from evo_bnas.archive.front import ranks


def nearest_to_front(points: np.ndarray, n: int) -> list[int]:
    """The indices of the `n` points (points, objectives) of lowest rank, the most isolated first."""
    rank = ranks(points)
    isolation = np.zeros(len(points))
    for own in np.unique(rank):
        members = np.flatnonzero(rank == own)
        isolation[members] = calc_crowding_distance(points[members])
    return [int(index) for index in np.lexsort([-isolation, rank])[:n]]
