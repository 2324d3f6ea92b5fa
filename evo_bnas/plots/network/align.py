"""The horizontal places of the items in every row: near the items above and below that they connect to."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, pairwise

from evo_bnas.plots.network.rows import EdgeStep, Item, RowLayout

_SWEEPS = 11
# The weight of keeping a step straight, by how many of its two ends are lanes; after Gansner et al., "A
# technique for drawing directed graphs" (IEEE TSE 19, 1993).
_STRAIGHT = (1.0, 2.0, 8.0)

Footprint = tuple[float, float]  # the space of an item to the left and to the right of its place
_Link = tuple[Item, float, float]  # an item of a neighbouring row, the desired distance from it, the weight


def align(
    rows: RowLayout,
    footprints: Mapping[Item, Footprint],
    ends: Callable[[EdgeStep], tuple[float, float]],
    gap: float,
) -> dict[Item, float]:
    """The place of every item in inches, such that edges are as straight as the space allows.

    `ends` gives how far a step starts and ends from the places of its two items.
    """
    place = {item: 0.0 for items in rows.items for item in items}
    above: dict[Item, list[_Link]] = {}
    below: dict[Item, list[_Link]] = {}
    aside = _aside(rows)
    for step in rows.steps:
        start, end = ends(step)
        weight = _STRAIGHT[step.upper.lane + step.lower.lane]
        straight = not (step.aside or step.lower in aside)
        if straight:
            above.setdefault(step.lower, []).append((step.upper, start - end, weight))
        if straight or step.upper in aside:
            below.setdefault(step.upper, []).append((step.lower, end - start, weight))
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        links = above if down else below
        for items in rows.items if down else reversed(rows.items):
            wanted = [_wanted(links.get(item, []), place, item) for item in items]
            places = _spread(wanted, [footprints[item] for item in items], gap)
            place.update(zip(items, places, strict=True))
    return _anchored(rows, place)


def _aside(rows: RowLayout) -> set[Item]:
    """Items that lead only to the sides of others: they follow these, and do not move their own inputs."""
    outgoing: dict[Item, list[EdgeStep]] = {}
    for step in rows.steps:
        outgoing.setdefault(step.upper, []).append(step)
    aside: set[Item] = set()
    for item in sorted(outgoing, key=lambda item: -item.row):
        if all(step.aside or step.lower in aside for step in outgoing[item]):
            aside.add(item)
    return aside


def _anchored(rows: RowLayout, place: Mapping[Item, float]) -> dict[Item, float]:
    """Move every section as a whole to centre its inputs at 0, so that long chains do not drift."""
    moved: dict[Item, float] = {}
    for _, members in groupby(rows.items, lambda items: rows.section[items[0].row]):
        section = list(members)
        first = section[0][0].row
        read = {step.upper for step in rows.steps if step.lower.row == first} or set(section[0])
        shift = sum(place[item] for item in read) / len(read)
        moved |= {item: place[item] - shift for items in section for item in items}
    return moved


def _wanted(links: Sequence[_Link], place: Mapping[Item, float], item: Item) -> tuple[float, float]:
    """The best place of an item by its links alone, and the weight of that."""
    if not links:
        return place[item], 1.0
    total = sum(weight for _, _, weight in links)
    return sum(weight * (place[other] + shift) for other, shift, weight in links) / total, total


def _spread(
    wanted: Sequence[tuple[float, float]], footprints: Sequence[Footprint], gap: float
) -> list[float]:
    """The places nearest to the wanted ones, in weighted least squares, without overlaps.

    After subtracting the required distances this is isotonic regression: neighbours that would overlap are
    pooled and share the mean of their wanted places.
    """
    offsets = [0.0]
    for (_, right), (left, _) in pairwise(footprints):
        offsets.append(offsets[-1] + right + gap + left)
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for (want, weight), offset in zip(wanted, offsets, strict=True):
        mean, members = want - offset, 1
        while pools and pools[-1][0] > mean:
            other, more, count = pools.pop()
            mean = (mean * weight + other * more) / (weight + more)
            weight, members = weight + more, members + count
        pools.append((mean, weight, members))
    means = [mean for mean, _, members in pools for _ in range(members)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
