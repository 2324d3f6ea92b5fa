"""Genes, architectures, and the operations that every search space has."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from evo_bnas.errors import UsageError
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import Cost, cost
from evo_bnas.network.node import Node
from evo_bnas.network.objectives import EXACT, OBJECTIVES, exact_objectives
from evo_bnas.quantity import show

Genes = tuple[int, ...]

# Up to this many gene combinations, architectures are counted by enumeration.
_ENUMERABLE = 20_000
_ESTIMATE_SAMPLES = 10_000

# Tilts at which the mean cost is measured, and the samples for each. At the largest tilt, samples hardly
# vary.
_TILTS = np.geomspace(0.1, 100.0, 13)
_TILT_SAMPLES = 32


@dataclass(frozen=True, slots=True)
class Gene:
    """One categorical choice."""

    name: str  # "stage2.block1.kernel"
    options: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Architecture:
    """The canonical genes of an architecture of one space; `key` is their text in option values."""

    genes: Genes
    key: str

    def __str__(self) -> str:
        return self.key


class Count(NamedTuple):
    """A number of architectures, and whether it is exact or estimated."""

    number: int
    exact: bool


class GeneSpace(ABC):
    """Genes with exact costs: everything that a search needs of a space.

    Table spaces implement it directly, all others through their blueprints (`Space`).
    """

    name: str
    genes: tuple[Gene, ...]
    objectives: tuple[str, ...] = tuple(OBJECTIVES)  # those that its networks have

    @abstractmethod
    def active(self, genes: Genes) -> tuple[bool, ...]:
        """For every gene, whether it affects the network."""

    @abstractmethod
    def costs(self, architecture: Architecture) -> dict[str, float]:
        """Every exact objective of an architecture."""

    @abstractmethod
    def key(self, genes: Genes) -> str:
        """The text of canonical genes in option values, without inactive genes."""

    @abstractmethod
    def parse(self, key: str) -> Architecture:
        """The architecture with this key; raises ValueError with the part that is wrong."""

    def named(self, key: str) -> Architecture:
        """As `parse`, for a key that a user gave: raises UsageError."""
        try:
            return self.parse(key)
        except ValueError as failure:
            raise UsageError(str(failure)) from None

    @abstractmethod
    def smallest(self) -> Architecture:
        """The architecture with the fewest ops; `cheapest` has those of other objectives."""

    @abstractmethod
    def largest(self) -> Architecture:
        """The architecture with the most ops."""

    @abstractmethod
    def bounds(self, objective: str) -> tuple[float, float]:
        """Minimum and maximum of an objective over the space; the maximum of the error is that of chance."""

    def cheapest(self, objective: str) -> Architecture:
        """The architecture with the minimum of an exact objective; by default the smallest."""
        return self.smallest()

    @abstractmethod
    def definition(self) -> dict[str, object]:
        """The space as JSON values; spaces with equal definitions are equal."""

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of options of each gene."""
        return tuple(len(gene.options) for gene in self.genes)

    @cached_property
    def hash(self) -> str:
        text = json.dumps(self.definition(), sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]

    def repair(self, genes: Sequence[int]) -> Genes:
        """The canonical form of any option indices: inactive genes take their first option."""
        genes = tuple(int(gene) for gene in genes)
        return tuple(gene if active else 0 for gene, active in zip(genes, self.active(genes), strict=True))

    def architecture(self, genes: Sequence[int]) -> Architecture:
        """The architecture of any option indices, after repair."""
        canonical = self.repair(genes)
        return Architecture(canonical, self.key(canonical))

    def check_limits(self, limits: Mapping[str, float]) -> None:
        """Raise UsageError if no network of the space meets a limit on an exact cost."""
        for name, limit in limits.items():
            if name not in EXACT:
                continue
            least, _ = self.bounds(name)
            if not least <= limit:
                unit = OBJECTIVES[name].unit
                raise UsageError(
                    f"no network of {self.name} has {name} ≤ {show(limit, unit)}; "
                    f"the smallest has {show(least, unit)}"
                )

    def sample(self, rng: np.random.Generator) -> Architecture:
        """An architecture with uniform, independent genes."""
        return self.architecture(rng.integers(self.sizes).tolist())

    def sample_cost_uniform(self, rng: np.random.Generator, objective: str = "ops") -> Architecture:
        """An architecture whose cost is distributed about uniformly between minimum and maximum.

        Uniform genes almost never give costs near the ends. So option probabilities are tilted, p(option) ~
        exp(t * effect of the option on the cost), with the t whose mean cost is the sampled one.
        """
        tilts, means = self._tilts(objective)
        target = rng.uniform(*self.bounds(objective))
        return self._sample_tilted(rng, objective, float(np.interp(target, means, tilts)))

    def neighbours(self, architecture: Architecture) -> tuple[Architecture, ...]:
        """All architectures that a change of one gene gives."""
        others = {
            self.architecture((*architecture.genes[:i], option, *architecture.genes[i + 1 :]))
            for i, size in enumerate(self.sizes)
            for option in range(size)
        }
        return tuple(sorted(others - {architecture}, key=lambda other: other.genes))

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture once; only for small spaces."""
        for genes in product(*map(range, self.sizes)):
            if self.repair(genes) == genes:
                yield self.architecture(genes)

    def count(self) -> Count:
        """The number of architectures: counted, or estimated from the share of canonical genes."""
        combinations = prod(self.sizes)
        if combinations <= _ENUMERABLE:
            return Count(sum(1 for _ in self.enumerate()), exact=True)
        rng = np.random.default_rng(0)
        samples = [tuple(rng.integers(self.sizes).tolist()) for _ in range(_ESTIMATE_SAMPLES)]
        share = sum(self.repair(genes) == genes for genes in samples) / len(samples)
        return Count(round(combinations * share), exact=False)

    def _sample_tilted(self, rng: np.random.Generator, objective: str, tilt: float) -> Architecture:
        exponent = tilt * self._effects(objective)
        weights = np.exp(exponent - np.nanmax(exponent, axis=1, keepdims=True))
        cumulated = np.cumsum(np.nan_to_num(weights), axis=1)
        draws = rng.random(len(self.genes)) * cumulated[:, -1]
        return self.architecture((draws[:, None] >= cumulated).sum(axis=1).tolist())

    @lru_cache(maxsize=8)  # noqa: B019  a space lives as long as the program
    def _tilts(self, objective: str) -> tuple[np.ndarray, np.ndarray]:
        """Tilts in rising order, and the mean cost of a few samples at each."""
        tilts = np.concatenate([-_TILTS[::-1], [0.0], _TILTS])
        rng = np.random.default_rng(0)
        means = [
            np.mean([
                self.costs(self._sample_tilted(rng, objective, tilt))[objective]
                for _ in range(_TILT_SAMPLES)
            ])
            for tilt in tilts
        ]  # fmt: skip
        return tilts, np.maximum.accumulate(means)

    @lru_cache(maxsize=8)  # noqa: B019  a space lives as long as the program
    def _effects(self, objective: str) -> np.ndarray:
        """The effect of each option on the cost, (genes, options); NaN beyond the options of a gene.

        It is the mean of the effects in the smallest and in the largest network, scaled such that those of
        the most expensive options add up to the number of genes.
        """
        effects = np.full((len(self.genes), max(self.sizes, default=1)), np.nan)
        for i, size in enumerate(self.sizes):
            values = np.zeros(size)
            for base in (self.smallest().genes, self.largest().genes):
                for option in range(size):
                    other = self.architecture((*base[:i], option, *base[i + 1 :]))
                    values[option] += self.costs(other)[objective]
            effects[i, :size] = values - values.min()
        total = float(np.nanmax(effects, axis=1).sum())
        return np.asarray(effects * (len(self.genes) / max(total, 1e-12)))


class Space(GeneSpace):
    """A search space whose genes give blueprints.

    A family (chain, cell, nb201) implements the abstract methods.
    """

    image: tuple[int, int, int]  # channels, height, width
    classes: int

    @abstractmethod
    def draw(self, architecture: Architecture) -> Blueprint:
        """The blueprint of an architecture."""

    @abstractmethod
    def envelope(self) -> tuple[Node, ...]:
        """Nodes that have every tensor of the space at its full size; they are not a network."""

    @abstractmethod
    def fit(self, image: tuple[int, int, int], classes: int) -> "Space":
        """The same space for other images and classes.

        Raises ValueError if the images are smaller or larger than `sides` allows.
        """

    def cost(self, architecture: Architecture) -> Cost:
        """The cost of an architecture in the default profile."""
        return self._cost(architecture)

    def costs(self, architecture: Architecture) -> dict[str, float]:
        return exact_objectives(self.cost(architecture))

    def bounds(self, objective: str) -> tuple[float, float]:
        if objective not in EXACT:
            return 0.0, 1 - 1 / self.classes
        return self.costs(self.smallest())[objective], self.costs(self.largest())[objective]

    @property
    def sides(self) -> tuple[int, int]:
        """Minimum and maximum side of its images: from half to twice the size that it is designed for.

        The strides of a space suit one size. With much smaller images, the last maps would have one or two
        pixels; with much larger ones, costs and receptive fields would not fit.
        """
        return -(-min(self.image[1:]) // 2), 2 * max(self.image[1:])

    def _check_size(self, image: tuple[int, int, int]) -> None:
        """Raise ValueError if a side of an image is outside `sides`."""
        least, most = self.sides
        if not all(least <= side <= most for side in image[1:]):
            raise ValueError(
                f"space {self.name} is designed for images of {self.image[1]}x{self.image[2]} and takes "
                f"{least} to {most} pixels per side, not {image[1]}x{image[2]}"
            )

    @cached_property
    def _cost(self) -> Callable[[Architecture], Cost]:
        return lru_cache(maxsize=1 << 16)(lambda architecture: cost(self.draw(architecture)))

    def __getstate__(self) -> dict[str, object]:
        """Without the cached costs, whose function cannot be pickled."""
        return {name: value for name, value in vars(self).items() if name != "_cost"}
