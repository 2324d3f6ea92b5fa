"""The decisions of a chain, in order from the image to the classifier.

Constraints depend on earlier decisions. So everything that decides takes this order: repair, and the graph of
all architectures.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from evo_bnas.space.blocks import Block
from evo_bnas.space.chain_definition import BLOCK_FIELDS, ChainDefinition, block_options
from evo_bnas.space.chain_drawing import Segment
from evo_bnas.space.constraints import Choice, Option, Rules, State, nearest


class Position(NamedTuple):
    """The position of a number or an operation in the definition."""

    stage: int  # 0: the stem
    block: int  # 0: the whole stage
    field: str


Chosen = Mapping[Position, Option]
# Chooses some of the allowed options of a position, given all options and the allowed ones.
Chooser = Callable[[Position, Sequence[Option], Sequence[Option]], Iterable[Option]]

_STEM_CHANNELS = Position(0, 0, "channels")
_STEM_KERNEL = Position(0, 0, "kernel")
_GROUPING = ("groups", "pointwise_groups", "operation")  # fields that set the channels of a group


class ChainDecisions:
    """The positions of a chain definition, their options, and which of these earlier decisions leave."""

    def __init__(self, chain: ChainDefinition) -> None:
        self.chain = chain
        self.stages = range(1, len(chain.stages) + 1)
        self.rules = Rules(chain.constraints)
        self.options = dict(self._options())
        self._operations = sum(position.field == "operation" for position in self.options)
        self._positions: dict[tuple[int, int], list[Position]] = {}  # of a stage, or of one of its blocks
        for position in self.options:
            self._positions.setdefault(position[:2], []).append(position)
        self._block_positions = {  # of a block: those of its stage, and its own
            (stage, number): [
                position
                for block in (0, number)
                for position in self._positions.get((stage, block), [])
                if position.field != "blocks"
            ]
            for stage in self.stages
            for number in range(1, max(chain.stages[stage - 1].blocks) + 1)
        }

    def stage(
        self, stage: int, stream: int, state: State, choose: Chooser
    ) -> Iterator[tuple[Chosen, int, State]]:
        """Decide what a stage decides once, in all ways that `choose` allows.

        `stream` is the number of channels before the stage. The first stage starts with the stem, whose
        channels are those of the stage unless the stem has its own.
        """
        stems: Iterable[tuple[Chosen, State]] = [({}, state)]
        if stage == 1:
            stems = self._decide(self._positions.get((0, 0), []), {}, 0, state, choose)
        for stem, after_stem in stems:
            before = _number(stem.get(_STEM_CHANNELS, stream))
            for chosen, after in self._decide(self._positions[stage, 0], stem, before, after_stem, choose):
                yield chosen, before or _number(chosen[Position(stage, 0, "channels")]), after

    def block(
        self, stage: int, number: int, chosen: Chosen, stream: int, state: State, choose: Chooser
    ) -> Iterator[tuple[Chosen, State]]:
        """Decide what a block decides after its stage, in all ways that `choose` allows."""
        return self._decide(self._positions.get((stage, number), []), chosen, stream, state, choose)

    def settle(self, wanted: Chosen) -> dict[Position, Option]:
        """The legal choices nearest to the wanted ones, without inactive positions."""
        settled: dict[Position, Option] = {}
        stream, state = 0, self.rules.start
        for stage in self.stages:
            options = tuple([wanted[position] for position in self._at(stage, 0)])
            shared, stream, state = self._settled_stage(stage, stream, state, options)
            settled |= shared
            items = tuple(shared.items())
            for number in range(1, self.depth(shared, stage) + 1):
                options = tuple([wanted[position] for position in self._at(stage, number)])
                own, stream, state = self._settled_block(stage, number, items, stream, state, options)
                settled |= own
        return settled

    def depth(self, chosen: Chosen, stage: int) -> int:
        """Number of blocks of a stage."""
        return _number(chosen[Position(stage, 0, "blocks")])

    def decided(self, chosen: Chosen, stage: int, number: int) -> Block:
        """A block, all of whose positions are chosen."""
        options = tuple([chosen[position] for position in self._block_positions[stage, number]])
        return self._block(stage, number, options)

    def stem(self, chosen: Chosen, channels: int) -> Segment:
        """The stem with this number of output channels."""
        kernel = _number(chosen[_STEM_KERNEL])
        block = Block(channels, stride=self.chain.stem.stride, kernel=kernel)
        return Segment(0, 1, self.chain.image[0], block)

    def classifier(self, channels: int) -> Segment:
        """The classifier after a stream of this number of channels."""
        return Segment(len(self.chain.stages) + 1, 1, channels, Block(self.chain.classes))

    def segments(self, chosen: Chosen) -> Iterator[Segment]:
        """The segments of a whole network, all of whose positions are chosen."""
        first = chosen.get(_STEM_CHANNELS) or chosen[Position(1, 0, "channels")]
        stream = _number(first)
        yield self.stem(chosen, stream)
        for stage in self.stages:
            for number in range(1, self.depth(chosen, stage) + 1):
                block = self.decided(chosen, stage, number)
                yield Segment(stage, number, stream, block)
                stream = block.channels
        yield self.classifier(stream)

    def _options(self) -> Iterator[tuple[Position, tuple[Option, ...]]]:
        """Every position with its options, in the order of the genes."""
        chain = self.chain
        if chain.stem.channels:
            yield _STEM_CHANNELS, chain.stem.channels
        yield _STEM_KERNEL, chain.stem.kernel
        for number, stage in enumerate(chain.stages, 1):
            if stage.channels:
                yield Position(number, 0, "channels"), stage.channels
            yield Position(number, 0, "blocks"), stage.blocks
            own = {field for field in BLOCK_FIELDS if getattr(stage.each, field) is not None}
            used = [field for field in BLOCK_FIELDS if field in chain.kind.fields]
            for field in used:
                if field not in own:
                    yield Position(number, 0, field), block_options(stage, field)
            for block in range(1, max(stage.blocks) + 1):
                if stage.each.channels:
                    yield Position(number, block, "channels"), stage.each.channels
                for field in used:
                    if field in own:
                        yield Position(number, block, field), block_options(stage, field)

    def _at(self, stage: int, number: int) -> list[Position]:
        """The positions of a stage or of one of its blocks; the first stage includes the stem."""
        stem = self._positions[0, 0] if (stage, number) == (1, 0) else []
        return stem + self._positions.get((stage, number), [])

    # Cached, since a search settles and draws the same stages and blocks again and again.

    @lru_cache(maxsize=1 << 16)  # noqa: B019  a space lives as long as the program
    def _settled_stage(
        self, stage: int, stream: int, state: State, wanted: tuple[Option, ...]
    ) -> tuple[Chosen, int, State]:
        choose = _nearest_to(dict(zip(self._at(stage, 0), wanted, strict=True)))
        return next(self.stage(stage, stream, state, choose))

    @lru_cache(maxsize=1 << 16)  # noqa: B019  a space lives as long as the program
    def _settled_block(
        self,
        stage: int,
        number: int,
        shared: tuple[tuple[Position, Option], ...],
        stream: int,
        state: State,
        wanted: tuple[Option, ...],
    ) -> tuple[Chosen, int, State]:
        choose = _nearest_to(dict(zip(self._at(stage, number), wanted, strict=True)))
        chosen, after = next(self.block(stage, number, dict(shared), stream, state, choose))
        own = {position: chosen[position] for position in self._at(stage, number)}
        return own, self.decided(chosen, stage, number).channels, after

    @lru_cache(maxsize=1 << 16)  # noqa: B019  a space lives as long as the program
    def _block(self, stage: int, number: int, options: tuple[Option, ...]) -> Block:
        positions = self._block_positions[stage, number]
        values: dict[str, Any] = {
            position.field: option for position, option in zip(positions, options, strict=True)
        }
        stride = self.chain.stages[stage - 1].stride if number == 1 else 1
        return Block(stride=stride, pad=self.chain.pad, **values)

    def _decide(
        self, positions: Sequence[Position], chosen: Chosen, stream: int, state: State, choose: Chooser
    ) -> Iterator[tuple[Chosen, State]]:
        if not positions:
            yield chosen, state
            return
        position, *later = positions
        choice = self._choice(position, chosen, stream)
        for option in choose(position, choice.options, self.rules.allowed(state, choice)):
            after = self.rules.after(state, choice, option)
            yield from self._decide(later, {**chosen, position: option}, stream, after, choose)

    def _choice(self, position: Position, chosen: Chosen, stream: int) -> Choice:
        choice = Choice(_path(position), position.field, self.options[position])
        if position.field not in _GROUPING:
            return choice
        reads = self._channels_read(position.stage, position.block, chosen, stream)
        return choice._replace(reads=reads, positions=self._operations)

    def _channels_read(self, stage: int, block: int, chosen: Chosen, stream: int) -> tuple[int, ...]:
        """Input channels that the binary convolutions of a block, or of a stage, may have."""
        own = chosen.get(Position(stage, block, "channels"), chosen.get(Position(stage, 0, "channels")))
        widths = self.chain.stages[stage - 1].widths if own is None else (_number(own),)
        if self.chain.kind.transition:
            return widths
        before = (stream,) if stream else widths
        if block:
            return before
        return (*before, *widths) if self.depth(chosen, stage) > 1 else before


def _nearest_to(wanted: Chosen) -> Chooser:
    """Chooses the allowed option that is nearest to the wanted one."""

    def choose(position: Position, options: Sequence[Option], allowed: Sequence[Option]) -> list[Option]:
        return [nearest(options, allowed, wanted[position])]

    return choose


def _number(option: Option) -> int:
    assert isinstance(option, int)
    return option


def _path(position: Position) -> str:
    """The path of a position in the YAML file, for messages."""
    if position.stage == 0:
        return f"stem.{position.field}"
    return f"stages.{position.stage}.{'each.' if position.block else ''}{position.field}"
