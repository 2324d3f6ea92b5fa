"""What the subcommands print about search spaces and their networks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from evo_bnas.cli.console import print_table, say
from evo_bnas.network.cost import Cost
from evo_bnas.quantity import brief, show
from evo_bnas.space.genes import Architecture, Gene, Space

DRAWS = 33  # architectures per median
_COSTS = ("ops", "params", "size_bits")
_WRITTEN_OUT = 1e9  # numbers of architectures below this are printed in full
_NUMBER = re.compile(r"\d+")


def print_spaces(spaces: Sequence[Space]) -> None:
    """One line per space: its images, its size, and the costs of its networks."""
    ends = [f"{end}\n{name}" for name in ("ops", "params") for end in ("least", "median", "most")]
    print_table(["\nspace", "\nimages", "\ngenes", "\narchitectures", *ends], [_texts(s) for s in spaces],
                left=["\nspace"])  # fmt: skip
    say(f"\nimages are channels × height × width; medians are over {DRAWS} uniformly drawn architectures")


def print_genes(space: Space) -> None:
    """The genes of a space, equal ones in one line; its constraints; its smallest and largest network."""
    say()
    rows = [[places.where, places.choices] for places in folded(space.genes)]
    print_table(["genes of", "options"], rows, left=["genes of", "options"])
    say()
    constraints = space.definition().get("constraints")
    if isinstance(constraints, Mapping) and constraints:
        say("constraints  " + ", ".join(f"{name}: {value}" for name, value in constraints.items()))
    say(f"smallest     {space.smallest()}\nlargest      {space.largest()}")


def print_cost(space: Space, architecture: Architecture, profile: str, counted: Cost) -> None:
    """The cost table of a network, and its totals."""
    layers = [
        [
            layer.name,
            layer.op,
            "×".join(map(str, layer.shape)),
            show(layer.bops),
            show(layer.flops),
            show(layer.binary_params),
            show(layer.real_params),
            show(layer.size_bits, "bits"),
            show(layer.activation_bytes, "bytes"),
        ]
        for layer in counted.layers
    ]
    columns = [
        "layer",
        "operation",
        "output",
        "bops",
        "flops",
        "1-bit weights",
        "real weights",
        "size",
        "memory",
    ]
    print_table(columns, layers, left=["layer", "operation", "output"])
    say(
        f"\n{architecture.key} of {space.name}, {profile} profile\n"
        f"ops     {show(counted.ops)} = {show(counted.flops)} flops + {show(counted.bops)} bops / 64\n"
        f"params  {show(counted.params)}: {show(counted.binary_params)} of 1 bit, "
        f"{show(counted.real_params)} real\n"
        f"size    {show(counted.size_bits, 'bits')}\n"
        f"memory  {show(counted.peak_activation_bytes, 'bytes')} at its peak, for one image"
    )


def gene_rows(space: Space) -> list[dict[str, Any]]:
    """The genes of a space as JSON values."""
    return [{"name": gene.name, "options": list(gene.options)} for gene in space.genes]


def space_row(space: Space) -> dict[str, Any]:
    """A space as JSON values: its size, its smallest and largest network, the costs of its networks."""
    number, exact = space.count()
    return {
        "name": space.name,
        "image": list(space.image),
        "classes": space.classes,
        "architectures": number,
        "architectures_exact": exact,
        **_costs(space),
        "smallest": space.smallest().key,
        "largest": space.largest().key,
    }


def count_text(space: Space) -> str:
    """The number of architectures: 1,905,120 or 3.3e17, with "about" if it is estimated."""
    number, exact = space.count()
    text = f"{number:,}" if number < _WRITTEN_OUT else re.sub(r"e\+0*", "e", f"{number:.2g}")
    return text if exact else f"about {text}"


def _costs(space: Space) -> dict[str, dict[str, float]]:
    """Minimum, median over a seeded sample, and maximum of each cost."""
    rng = np.random.default_rng(0)
    drawn = [space.costs(space.sample(rng)) for _ in range(DRAWS)]
    rows = {}
    for name in _COSTS:
        least, most = space.bounds(name)
        rows[name] = {"least": least, "median": median(costs[name] for costs in drawn), "most": most}
    return rows


def _texts(space: Space) -> list[str]:
    costs = _costs(space)
    ends = [brief(value) for name in ("ops", "params") for value in costs[name].values()]
    return [space.name, "×".join(map(str, space.image)), str(len(space.genes)), count_text(space), *ends]


@dataclass(frozen=True, slots=True)
class _Places:
    """Places with the same options: `stage#.block#`, and the numbers that replace each #."""

    name: str
    numbers: tuple[tuple[str, ...], ...]
    choices: str

    @property
    def where(self) -> str:
        """`stage2–4.block1–3`."""
        texts = map(_range, self.numbers)
        return re.sub("#", lambda _: next(texts), self.name)


def folded(genes: Sequence[Gene]) -> list[_Places]:
    """The places of genes; places that differ in one number are merged, the last number first."""
    choices: dict[str, list[str]] = {}
    for gene in genes:
        place, _, field = gene.name.rpartition(".")
        options = ", ".join(map(str, gene.options))
        choices.setdefault(place or field, []).append(f"{field} {options}" if place else options)
    lines = []
    for place, offered in choices.items():
        ones = tuple((number,) for number in _NUMBER.findall(place))
        lines.append(_Places(_NUMBER.sub("#", place), ones, "; ".join(offered)))
    for position in reversed(range(max((len(places.numbers) for places in lines), default=0))):
        merged: dict[object, _Places] = {}
        for places in lines:
            others = (*places.numbers[:position], *places.numbers[position + 1 :])
            alike = (places.name, places.choices, others, position < len(places.numbers))
            if alike in merged and position < len(places.numbers):
                numbers = merged[alike].numbers
                more = (*numbers[position], *places.numbers[position])
                places = replace(places, numbers=(*numbers[:position], more, *numbers[position + 1 :]))
            merged[alike] = places
        lines = list(merged.values())
    return lines


def _range(numbers: tuple[str, ...]) -> str:
    """`2–4` if the numbers are consecutive, otherwise `2,4`."""
    first = int(numbers[0])
    follow = len(numbers) > 1 and numbers == tuple(str(first + i) for i in range(len(numbers)))
    return f"{first}–{numbers[-1]}" if follow else ",".join(numbers)
