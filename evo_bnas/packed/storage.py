"""The allocation of registers to the maps of a blueprint."""

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import WEIGHTED
from evo_bnas.packed.step import WORD, Kind, Map, Register

_ALWAYS_WRITE = ("image", "tile", "concat", "sum", "mean")  # these write their real map, read or not


class Storage:
    """Registers for the maps of a blueprint, allocated and released in execution order.

    A tile that is only read as a shortcut gets none: its readers repeat the channels of its source.
    """

    def __init__(self, blueprint: Blueprint) -> None:
        self._nodes = blueprint.nodes
        self._sizes: list[Register] = []
        self._free: list[int] = []
        self._real: dict[int, Map] = {}
        self._signs: dict[int, Map] = {}  # by the node that reads them
        self._sign_readers: list[list[int]] = [[] for _ in self._nodes]
        self._source = list(range(len(self._nodes)))  # the node whose map stands in for a node's map
        real_readers: list[list[tuple[int, bool]]] = [[] for _ in self._nodes]
        for index, node in enumerate(self._nodes):
            for position, source in enumerate(node.inputs):
                if position == 0 and node.input_bits == 1:
                    self._sign_readers[source].append(index)
                else:
                    real_readers[source].append((index, position == 1 and node.op in WEIGHTED))
        for index, node in enumerate(self._nodes[:-1]):
            shortcuts = all(shortcut for _, shortcut in real_readers[index])
            if node.op == "tile" and not node.after and shortcuts and not self._sign_readers[index]:
                self._source[index] = self._source[node.inputs[0]]
        # The map of the last node is the output, which is read at the end.
        self._real_until = [-1] * (len(self._nodes) - 1) + [len(self._nodes)]
        for index, readers in enumerate(real_readers):
            source = self._source[index]
            for reader, _ in readers:
                if not self.is_alias(reader):
                    self._real_until[source] = max(self._real_until[source], reader)

    @property
    def registers(self) -> tuple[Register, ...]:
        """All registers, each with the size of the largest map that it holds."""
        return tuple(self._sizes)

    def is_alias(self, index: int) -> bool:
        """Whether the readers of a node read the map of another node instead."""
        return self._source[index] != index

    def sign_readers(self, index: int) -> list[int]:
        """The nodes that read the signs of a node's map, in the order of its entries."""
        return self._sign_readers[index]

    def inputs(self, index: int) -> tuple[Map, ...]:
        """The maps that the operation of a node reads."""
        node = self._nodes[index]
        if node.input_bits == 1 and node.op in WEIGHTED:
            return (self._signs[index],)
        sources = node.inputs[:1] if node.op in WEIGHTED else node.inputs
        return tuple(self._real[self._source[source]] for source in sources)

    def shortcut(self, index: int) -> Map | None:
        """The map that "add" adds."""
        node = self._nodes[index]
        return self._real[self._source[node.inputs[1]]] if "add" in node.after else None

    def outputs(self, index: int) -> tuple[Map | None, Map | None]:
        """The map of a node and its signs in new registers, each None if it is not needed."""
        node = self._nodes[index]
        channels, height, width = node.shape
        real = signs = None
        if self._real_until[index] > index or node.op in _ALWAYS_WRITE:
            register = self._allocate("real", height * width * channels)
            real = self._real[index] = Map(register, height, width, channels)
        readers = self._sign_readers[index]
        if readers:
            words = height * width * -(-channels // WORD)
            register = self._allocate("signs", len(readers) * words)
            for entry, reader in enumerate(readers):
                self._signs[reader] = Map(register, height, width, channels, entry)
            signs = self._signs[readers[0]]
        return real, signs

    def release(self, index: int) -> None:
        """Free the registers that no node after this one reads."""
        for source, kept in list(self._real.items()):
            if self._real_until[source] <= index:
                self._free.append(kept.register)
                del self._real[source]
        for readers in self._sign_readers:
            if readers and readers[-1] == index:
                self._free.append(self._signs[readers[0]].register)

    def _allocate(self, kind: Kind, size: int) -> int:
        """The largest free register of this kind, or a new one."""
        candidates = [register for register in self._free if self._sizes[register].kind == kind]
        if not candidates:
            self._sizes.append(Register(kind, size))
            return len(self._sizes) - 1
        register = max(candidates, key=lambda free: self._sizes[free].size)
        self._free.remove(register)
        if size > self._sizes[register].size:
            self._sizes[register] = Register(kind, size)
        return register
