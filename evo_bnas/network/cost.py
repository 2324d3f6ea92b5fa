"""The cost of a network, counted from its blueprint.

A multiply-accumulate (MAC) counts once. MACs with 1-bit weight and 1-bit input are `bops`, all others
`flops`, and `ops = flops + bops / 64`: the convention of Bi-Real Net, ReActNet and NAS-BNN. As in these
papers, norms, activations, additions and pools are not counted. Papers differ in the details, which a
counting profile sets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from types import MappingProxyType

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import WEIGHTED, Node, elements, tensors

BITS_PER_BYTE = 8
BINARY_MACS_PER_MAC = 64


@dataclass(frozen=True, slots=True)
class CountingProfile:
    """A counting convention."""

    stem_bits: int | None = None  # counts real weights that read the image at this width
    classifier_bias: bool = False  # a dense layer costs (cin + 1) * classes


PROFILES: Mapping[str, CountingProfile] = MappingProxyType(
    {
        "default": CountingProfile(),
        # Lin et al., NAS-BNN (Pattern Recognition 159, 2025): a MAC of w and a bits costs sqrt(w * a) / 64.
        "nas-bnn": CountingProfile(stem_bits=8, classifier_bias=True),
    }
)


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One row of the cost table."""

    name: str
    op: str
    shape: tuple[int, int, int]
    bops: int
    flops: float
    binary_params: int
    real_params: int
    size_bits: int
    activation_bytes: int

    @property
    def ops(self) -> float:
        return self.flops + self.bops / BINARY_MACS_PER_MAC


@dataclass(frozen=True)
class Cost:
    """The cost of one network, with one row per node.

    `size_bits` is 1 per binary weight and 8 or 32 per real weight. `peak_activation_bytes` is the peak memory
    of live tensors for one image, with 4 bytes per value of a real map and 1 bit per value of a binary input.
    """

    layers: tuple[LayerCost, ...]

    @property
    def bops(self) -> int:
        return sum(layer.bops for layer in self.layers)

    @property
    def flops(self) -> float:
        return _whole(sum(layer.flops for layer in self.layers))

    @property
    def ops(self) -> float:
        return _whole(self.flops + self.bops / BINARY_MACS_PER_MAC)

    @property
    def binary_params(self) -> int:
        return sum(layer.binary_params for layer in self.layers)

    @property
    def real_params(self) -> int:
        return sum(layer.real_params for layer in self.layers)

    @property
    def params(self) -> int:
        return self.binary_params + self.real_params

    @property
    def size_bits(self) -> int:
        return sum(layer.size_bits for layer in self.layers)

    @property
    def peak_activation_bytes(self) -> int:
        return max(layer.activation_bytes for layer in self.layers)


def cost(blueprint: Blueprint, profile: str = "default") -> Cost:
    """Count a network under a named profile; raises ValueError for an unknown profile."""
    if profile not in PROFILES:
        raise ValueError(f"unknown profile {profile!r}; choose from {', '.join(PROFILES)}")
    memory = _live_bytes(blueprint)
    return Cost(
        tuple(
            _layer(node, _reads_image(blueprint, node), PROFILES[profile], live)
            for node, live in zip(blueprint.nodes, memory, strict=True)
        )
    )


def _reads_image(blueprint: Blueprint, node: Node) -> bool:
    return bool(node.inputs) and blueprint.nodes[node.inputs[0]].op == "image"


@lru_cache(maxsize=1 << 16)
def _layer(node: Node, stem: bool, profile: CountingProfile, live: int) -> LayerCost:
    weight_bits = {spec.name: spec.bits for spec in tensors(node)}
    if stem and profile.stem_bits and node.weight_bits == 32:
        weight_bits["weight"] = profile.stem_bits
    macs = _macs(node)
    binary = node.weight_bits == 1 and node.input_bits == 1
    flops = 0.0 if binary else float(macs)
    if stem and profile.stem_bits and not binary:
        flops = macs * profile.stem_bits / BINARY_MACS_PER_MAC
    if profile.classifier_bias and node.op == "dense":
        flops += node.shape[0]
    counts = [(prod(spec.shape), weight_bits[spec.name]) for spec in tensors(node)]
    return LayerCost(
        name=node.name,
        op=node.op,
        shape=node.shape,
        bops=macs if binary else 0,
        flops=_whole(flops),
        binary_params=sum(n for n, bits in counts if bits == 1),
        real_params=sum(n for n, bits in counts if bits > 1),
        size_bits=sum(n * bits for n, bits in counts),
        activation_bytes=live,
    )


def _macs(node: Node) -> int:
    if node.op not in WEIGHTED:
        return 0
    return elements(node) * (node.cin // node.groups) * node.kernel**2


def _live_bytes(blueprint: Blueprint) -> list[int]:
    """Live bytes while each node runs: maps that are still needed, its packed input, its output.

    A map whose last reader is a sign is packed and freed before the node runs. Every other map that this node
    or a later one reads is held as float32.
    """
    maps = [4 * elements(node) for node in blueprint.nodes]  # bytes as float32
    rows = []
    held = 0  # bytes of earlier maps that this node or a later one reads
    for index, node in enumerate(blueprint.nodes):
        live = held + maps[index]
        last_read = {source for source in node.inputs if blueprint.last_use[source] == index}
        if node.input_bits == 1:
            signed = node.inputs[0]
            live += -(-elements(blueprint.nodes[signed]) // BITS_PER_BYTE)
            if signed in last_read and signed not in node.inputs[1:]:
                live -= maps[signed]
        rows.append(live)
        held += maps[index] - sum(maps[source] for source in last_read)
    return rows


def _whole(value: float) -> float:
    """A whole number as an int: only the nas-bnn stem and `bops / 64` give fractions."""
    return int(value) if value == int(value) else value
