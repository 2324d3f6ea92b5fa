"""The blueprint of one network: frozen nodes in execution order, which everything else reads."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import Any

from evo_bnas.network.node import Node, Shape
from evo_bnas.network.rules import check_node


@dataclass(frozen=True)
class Blueprint:
    """A whole network: node 0 is the image, the last node is the output.

    Raises ValueError at construction if the nodes do not fit together.
    """

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if len(self.nodes) < 2:
            raise ValueError("a blueprint needs an image and at least one more node")
        for index in range(len(self.nodes)):
            self._check(index)
        names = [node.name for node in self.nodes]
        if len(set(names)) < len(names):
            duplicate = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"duplicate node name {duplicate}; a name is the address of tensors")
        for index in range(len(self.nodes) - 1):
            if self.last_use[index] == index:
                raise ValueError(f"{self.nodes[index].name}: no later node reads it")

    @cached_property
    def last_use(self) -> tuple[int, ...]:
        """For every node the index of the last node that reads it, or its own index if none does."""
        last = list(range(len(self.nodes)))
        for index, node in enumerate(self.nodes):
            for source in node.inputs:
                last[source] = index
        return tuple(last)

    @cached_property
    def shape_key(self) -> str:
        """Identity without names: blueprints with equal shape keys have the same cost and latency."""
        rows = [_row(node) | {"name": ""} for node in self.nodes]
        text = json.dumps(rows, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def image(self) -> Shape:
        """Channels, height and width of the input images."""
        return self.nodes[0].shape

    @property
    def classes(self) -> int:
        return self.nodes[-1].shape[0]

    def to_rows(self) -> list[dict[str, Any]]:
        """The blueprint as JSON values: one dictionary per node, without fields at their default."""
        return [_row(node) for node in self.nodes]

    @classmethod
    def from_rows(cls, rows: Sequence[dict[str, Any]]) -> "Blueprint":
        """The inverse of `to_rows`; raises ValueError or TypeError if the rows are not a blueprint."""
        tuples = ("inputs", "shape", "before", "after")
        arguments: list[dict[str, Any]] = [
            {key: tuple(value) if key in tuples else value for key, value in row.items()} for row in rows
        ]
        return cls(tuple(Node(**row) for row in arguments))

    def _check(self, index: int) -> None:
        node = self.nodes[index]
        if (node.op == "image") != (index == 0):
            raise ValueError(f"{node.name}: the first node must be the image, and no other node may be one")
        if index and not all(0 <= source < index for source in node.inputs):
            raise ValueError(f"{node.name}: reads a node that is not before it; its inputs are {node.inputs}")
        check_node(node, tuple(self.nodes[source].shape for source in node.inputs))


def _row(node: Node) -> dict[str, Any]:
    row = {}
    for field in fields(Node):
        value = getattr(node, field.name)
        if field.default is MISSING or value != field.default:
            row[field.name] = list(value) if isinstance(value, tuple) else value
    return row
