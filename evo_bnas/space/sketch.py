"""A network under construction: methods append at most one node and return the index to read."""

from collections.abc import Sequence
from dataclasses import replace

from evo_bnas.network.node import Node, NodeStep, Op


class Sketch:
    """Nodes in execution order, starting with the image; `blueprint.Blueprint` checks the finished list."""

    def __init__(self, image: tuple[int, int, int]) -> None:
        self.nodes = [Node("image", "image", (), image)]

    @property
    def last(self) -> int:
        """Index of the last node."""
        return len(self.nodes) - 1

    def channels(self, index: int) -> int:
        """Number of output channels of a node."""
        return self.nodes[index].shape[0]

    def conv(
        self,
        name: str,
        source: int,
        channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        binary: bool = False,
        pad: int = 0,
        before: tuple[NodeStep, ...] = (),
        after: tuple[NodeStep, ...] = (),
        shortcut: int | None = None,
    ) -> int:
        """A convolution with 1-bit or real weights and inputs; `shortcut` is the node that "add" adds."""
        bits = 1 if binary else 32
        return self._append(
            Node(
                name,
                "conv",
                (source,) if shortcut is None else (source, shortcut),
                (channels, *self._strided(source, stride)),
                cin=self.channels(source),
                kernel=kernel,
                stride=stride,
                dilation=dilation,
                groups=groups,
                weight_bits=bits,
                input_bits=bits,
                pad=pad,
                before=before,
                after=after,
            )
        )

    def pool(
        self,
        name: str,
        op: Op,
        source: int,
        *,
        kernel: int,
        stride: int = 1,
        after: tuple[NodeStep, ...] = (),
    ) -> int:
        """An average or maximum over windows."""
        shape = (self.channels(source), *self._strided(source, stride))
        return self._append(Node(name, op, (source,), shape, kernel=kernel, stride=stride, after=after))

    def shrink(self, name: str, source: int, stride: int) -> int:
        """The mean over windows of `stride`, for shortcuts; the source itself at stride 1."""
        return source if stride == 1 else self.pool(name, "pool_avg", source, kernel=stride, stride=stride)

    def tile(self, name: str, source: int, channels: int) -> int:
        """The source with its channels repeated to this number, or the source itself if it has as many."""
        if self.channels(source) == channels:
            return source
        return self._append(Node(name, "tile", (source,), (channels, *self.nodes[source].shape[1:])))

    def merge(self, name: str, op: Op, sources: Sequence[int]) -> int:
        """The `concat` or `sum` of maps of one size; a single source itself."""
        if len(sources) == 1:
            return sources[0]
        shapes = [self.nodes[source].shape for source in sources]
        channels = sum(shape[0] for shape in shapes) if op == "concat" else shapes[0][0]
        return self._append(Node(name, op, tuple(sources), (channels, *shapes[0][1:])))

    def classify(self, source: int, classes: int) -> int:
        """The mean of every channel, followed by a real dense layer."""
        features = self.channels(source)
        mean = self._append(Node("mean", "mean", (source,), (features, 1, 1)))
        return self._append(Node("classifier", "dense", (mean,), (classes, 1, 1), cin=features))

    def used(self) -> tuple[Node, ...]:
        """The nodes that the last one reads, directly or through others, and itself."""
        kept = {self.last}
        for index in range(self.last, -1, -1):
            if index in kept:
                kept.update(self.nodes[index].inputs)
        if len(kept) == len(self.nodes):
            return tuple(self.nodes)
        new_index = {index: number for number, index in enumerate(sorted(kept))}
        return tuple(
            replace(self.nodes[index], inputs=tuple(new_index[source] for source in self.nodes[index].inputs))
            for index in new_index
        )

    def _append(self, node: Node) -> int:
        self.nodes.append(node)
        return self.last

    def _strided(self, source: int, stride: int) -> tuple[int, int]:
        _, height, width = self.nodes[source].shape
        return -(-height // stride), -(-width // stride)
