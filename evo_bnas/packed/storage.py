"""Which register holds which map of a blueprint, and until when."""

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import WEIGHTED
from evo_bnas.packed.step import WORD, Kind, Map, Register

_JOINS = ("image", "tile", "concat", "sum", "mean")  # they write a real map, read or not


class Storage:
    """Registers for the maps of a blueprint, given out and back in execution order.

    A tile that shortcuts alone read takes none: they read its source again and again.
    """

    def __init__(self, blueprint: Blueprint) -> None:
        self._nodes = blueprint.nodes
        self._sizes: list[Register] = []
        self._free: list[int] = []
        self._real: dict[int, Map] = {}
        self._signs: dict[int, Map] = {}  # by the node that reads them
        self._sign_readers: list[list[int]] = [[] for _ in self._nodes]
        self._source = list(range(len(self._nodes)))  # whose map a node's readers read
        real_readers: list[list[tuple[int, bool]]] = [[] for _ in self._nodes]
        for index, node in enumerate(self._nodes):
            for place, source in enumerate(node.inputs):
                if place == 0 and node.input_bits == 1:
                    self._sign_readers[source].append(index)
                else:
                    real_readers[source].append((index, place == 1 and node.op in WEIGHTED))
        for index, node in enumerate(self._nodes[:-1]):
            shortcuts = all(shortcut for _, shortcut in real_readers[index])
            if node.op == "tile" and not node.after and shortcuts and not self._sign_readers[index]:
                self._source[index] = self._source[node.inputs[0]]
        # The last node's map is the output, so the end reads it.
        self._real_until = [-1] * (len(self._nodes) - 1) + [len(self._nodes)]
        for index, readers in enumerate(real_readers):
            source = self._source[index]
            for reader, _ in readers:
                if not self.is_alias(reader):
                    self._real_until[source] = max(self._real_until[source], reader)

    @property
    def registers(self) -> tuple[Register, ...]:
        """All that were ever given out, of the size that the largest map takes."""
        return tuple(self._sizes)

    def is_alias(self, index: int) -> bool:
        """Whether a node has no map of its own."""
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
        """Registers for the map of a node, where it is needed, and for its signs."""
        node = self._nodes[index]
        channels, height, width = node.shape
        real = signs = None
        if self._real_until[index] > index or node.op in _JOINS:
            register = self._take("real", height * width * channels)
            real = self._real[index] = Map(register, height, width, channels)
        readers = self._sign_readers[index]
        if readers:
            words = height * width * -(-channels // WORD)
            register = self._take("signs", len(readers) * words)
            for entry, reader in enumerate(readers):
                self._signs[reader] = Map(register, height, width, channels, entry)
            signs = self._signs[readers[0]]
        return real, signs

    def leave(self, index: int) -> None:
        """Take back the registers that no node after this one reads."""
        for source, kept in list(self._real.items()):
            if self._real_until[source] <= index:
                self._free.append(kept.register)
                del self._real[source]
        for readers in self._sign_readers:
            if readers and readers[-1] == index:
                self._free.append(self._signs[readers[0]].register)

    def _take(self, kind: Kind, size: int) -> int:
        """A free register, the largest one of its kind, or a new one."""
        fitting = [register for register in self._free if self._sizes[register].kind == kind]
        if not fitting:
            self._sizes.append(Register(kind, size))
            return len(self._sizes) - 1
        register = max(fitting, key=lambda free: self._sizes[free].size)
        self._free.remove(register)
        if size > self._sizes[register].size:
            self._sizes[register] = Register(kind, size)
        return register
