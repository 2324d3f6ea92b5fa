"""Where the items of every row stand from left to right: below and above what they are joined to."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, pairwise

from evo_bnas.plots.network.rows import Item, Rows, Step

_SWEEPS = 11
# How much it matters that a step is straight, by the number of its ends that are lanes; after Gansner et al.,
# "A technique for drawing directed graphs" (IEEE TSE 19, 1993).
_STRAIGHT = (1.0, 2.0, 8.0)

Footprint = tuple[float, float]  # what an item needs to the left and to the right of its place
_Joint = tuple[Item, float, float]  # an item of the next row, how far beside it to stand, the weight


def align(
    rows: Rows,
    footprints: Mapping[Item, Footprint],
    ends: Callable[[Step], tuple[float, float]],
    gap: float,
) -> dict[Item, float]:
    """The place of every item in inches, so that edges are as straight as the room allows.

    `ends` says how far beside the places of its two items a step begins and ends.
    """
    place = {item: 0.0 for items in rows.items for item in items}
    above: dict[Item, list[_Joint]] = {}
    below: dict[Item, list[_Joint]] = {}
    aside = _aside(rows)
    for step in rows.steps:
        begins, stops = ends(step)
        weight = _STRAIGHT[step.upper.lane + step.lower.lane]
        straight = not (step.aside or step.lower in aside)
        if straight:
            above.setdefault(step.lower, []).append((step.upper, begins - stops, weight))
        if straight or step.upper in aside:
            below.setdefault(step.upper, []).append((step.lower, stops - begins, weight))
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        joined = above if down else below
        for items in rows.items if down else reversed(rows.items):
            wanted = [_wanted(joined.get(item, []), place, item) for item in items]
            places = _spread(wanted, [footprints[item] for item in items], gap)
            place.update(zip(items, places, strict=True))
    return _anchored(rows, place)


def _aside(rows: Rows) -> set[Item]:
    """What leads to the sides of others alone: it follows them, and moves nothing that it reads."""
    leads: dict[Item, list[Step]] = {}
    for step in rows.steps:
        leads.setdefault(step.upper, []).append(step)
    found: set[Item] = set()
    for item in sorted(leads, key=lambda item: -item.row):
        if all(step.aside or step.lower in found for step in leads[item]):
            found.add(item)
    return found


def _anchored(rows: Rows, place: Mapping[Item, float]) -> dict[Item, float]:
    """Every section moved as a whole, so that what it reads stands above 0: many cells drift nowhere."""
    moved: dict[Item, float] = {}
    for _, members in groupby(rows.items, lambda items: rows.section[items[0].row]):
        section = list(members)
        first = section[0][0].row
        read = {step.upper for step in rows.steps if step.lower.row == first} or set(section[0])
        shift = sum(place[item] for item in read) / len(read)
        moved |= {item: place[item] - shift for items in section for item in items}
    return moved


def _wanted(joints: Sequence[_Joint], place: Mapping[Item, float], item: Item) -> tuple[float, float]:
    """Where an item would stand best, and how much that matters."""
    if not joints:
        return place[item], 1.0
    total = sum(weight for _, _, weight in joints)
    return sum(weight * (place[other] + shift) for other, shift, weight in joints) / total, total


def _spread(
    wanted: Sequence[tuple[float, float]], footprints: Sequence[Footprint], gap: float
) -> list[float]:
    """The places nearest to the wanted ones, in weighted least squares, at which nothing overlaps.

    Without the room that is needed in between, that is isotonic regression: neighbours that would
    overlap are pooled and share the mean of what they want.
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
