"""The decisions of a chain, one after the other from the image to the classifier.

Constraints look at what was decided before, so whatever decides goes this way: repair, and the graph of all
architectures.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from evo_bnas.space.blocks import Block
from evo_bnas.space.chain_definition import BLOCK_FIELDS, ChainDefinition, block_options
from evo_bnas.space.chain_drawing import Segment
from evo_bnas.space.constraints import Choice, Option, Rules, State, nearest


class Place(NamedTuple):
    """Where a number or an operation of the definition stands."""

    stage: int  # 0: the stem
    block: int  # 0: the whole stage
    field: str


Taken = Mapping[Place, Option]
Pick = Callable[[Place, Sequence[Option], Sequence[Option]], Iterable[Option]]  # of all options, the allowed

_STEM_CHANNELS = Place(0, 0, "channels")
_STEM_KERNEL = Place(0, 0, "kernel")
_READERS = ("groups", "pointwise_groups", "operation")  # what says how much a binary convolution reads


class Walk:
    """The places of a chain definition, their options, and which of them remain on the way."""

    def __init__(self, chain: ChainDefinition) -> None:
        self.chain = chain
        self.stages = range(1, len(chain.stages) + 1)
        self.rules = Rules(chain.constraints)
        self.options = dict(self._options())
        self._positions = sum(place.field == "operation" for place in self.options)
        self._of: dict[tuple[int, int], list[Place]] = {}  # the places of a stage or of one block
        for place in self.options:
            self._of.setdefault(place[:2], []).append(place)
        self._parts = {  # what a block is made of: choices of its stage, and its own
            (stage, number): [
                place
                for at in (0, number)
                for place in self._of.get((stage, at), [])
                if place.field != "blocks"
            ]
            for stage in self.stages
            for number in range(1, max(chain.stages[stage - 1].blocks) + 1)
        }

    def stage(self, stage: int, stream: int, state: State, pick: Pick) -> Iterator[tuple[Taken, int, State]]:
        """Decide what a stage decides once: all ways that `pick` leaves open.

        `stream` is the channels before it; the first stage begins with the stem, whose channels are those
        of the stage where it has none of its own.
        """
        begun: Iterable[tuple[Taken, State]] = [({}, state)]
        if stage == 1:
            begun = self._decide(self._of.get((0, 0), []), {}, 0, state, pick)
        for stem, remembered in begun:
            before = _number(stem.get(_STEM_CHANNELS, stream))
            for taken, after in self._decide(self._of[stage, 0], stem, before, remembered, pick):
                yield taken, before or _number(taken[Place(stage, 0, "channels")]), after

    def block(
        self, stage: int, number: int, taken: Taken, stream: int, state: State, pick: Pick
    ) -> Iterator[tuple[Taken, State]]:
        """Decide what a block decides for itself, after its stage: all ways that `pick` leaves open."""
        return self._decide(self._of.get((stage, number), []), taken, stream, state, pick)

    def settle(self, wanted: Taken) -> dict[Place, Option]:
        """What is taken where this is wanted at every place; places that have no say are absent."""
        settled: dict[Place, Option] = {}
        stream, state = 0, self.rules.start
        for stage in self.stages:
            asked = tuple([wanted[place] for place in self._at(stage, 0)])
            shared, stream, state = self._settled_stage(stage, stream, state, asked)
            settled |= shared
            own = tuple(shared.items())
            for number in range(1, self.depth(shared, stage) + 1):
                asked = tuple([wanted[place] for place in self._at(stage, number)])
                taken, stream, state = self._settled_block(stage, number, own, stream, state, asked)
                settled |= taken
        return settled

    def depth(self, taken: Taken, stage: int) -> int:
        """Number of blocks of a stage."""
        return _number(taken[Place(stage, 0, "blocks")])

    def decided(self, taken: Taken, stage: int, number: int) -> Block:
        """One block, of which everything is taken."""
        return self._block(stage, number, tuple([taken[place] for place in self._parts[stage, number]]))

    def stem(self, taken: Taken, channels: int) -> Segment:
        """The stem that puts out so many channels."""
        kernel = _number(taken[_STEM_KERNEL])
        block = Block(channels, stride=self.chain.stem.stride, kernel=kernel)
        return Segment(0, 1, self.chain.image[0], block)

    def classifier(self, channels: int) -> Segment:
        """What reads the stream at its end."""
        return Segment(len(self.chain.stages) + 1, 1, channels, Block(self.chain.classes))

    def segments(self, taken: Taken) -> Iterator[Segment]:
        """A whole network, of which everything is taken."""
        first = taken.get(_STEM_CHANNELS) or taken[Place(1, 0, "channels")]
        stream = _number(first)
        yield self.stem(taken, stream)
        for stage in self.stages:
            for number in range(1, self.depth(taken, stage) + 1):
                block = self.decided(taken, stage, number)
                yield Segment(stage, number, stream, block)
                stream = block.channels
        yield self.classifier(stream)

    def _options(self) -> Iterator[tuple[Place, tuple[Option, ...]]]:
        """Every place with its options, in the order of the genes."""
        chain = self.chain
        if chain.stem.channels:
            yield _STEM_CHANNELS, chain.stem.channels
        yield _STEM_KERNEL, chain.stem.kernel
        for number, stage in enumerate(chain.stages, 1):
            if stage.channels:
                yield Place(number, 0, "channels"), stage.channels
            yield Place(number, 0, "blocks"), stage.blocks
            own = {field for field in BLOCK_FIELDS if getattr(stage.each, field) is not None}
            taken = [field for field in BLOCK_FIELDS if field in chain.kind.fields]
            for field in taken:
                if field not in own:
                    yield Place(number, 0, field), block_options(stage, field)
            for block in range(1, max(stage.blocks) + 1):
                if stage.each.channels:
                    yield Place(number, block, "channels"), stage.each.channels
                for field in taken:
                    if field in own:
                        yield Place(number, block, field), block_options(stage, field)

    def _at(self, stage: int, number: int) -> list[Place]:
        """The places of a stage, in the first one with the stem before it, or of one of its blocks."""
        stem = self._of[0, 0] if (stage, number) == (1, 0) else []
        return stem + self._of.get((stage, number), [])

    # A search settles and draws the same stages and blocks again and again, so they are remembered.

    @lru_cache(maxsize=1 << 16)  # noqa: B019  a space lives as long as the program
    def _settled_stage(
        self, stage: int, stream: int, state: State, wanted: tuple[Option, ...]
    ) -> tuple[Taken, int, State]:
        pick = _towards(dict(zip(self._at(stage, 0), wanted, strict=True)))
        return next(self.stage(stage, stream, state, pick))

    @lru_cache(maxsize=1 << 16)  # noqa: B019  a space lives as long as the program
    def _settled_block(
        self,
        stage: int,
        number: int,
        shared: tuple[tuple[Place, Option], ...],
        stream: int,
        state: State,
        wanted: tuple[Option, ...],
    ) -> tuple[Taken, int, State]:
        pick = _towards(dict(zip(self._at(stage, number), wanted, strict=True)))
        taken, after = next(self.block(stage, number, dict(shared), stream, state, pick))
        own = {place: taken[place] for place in self._at(stage, number)}
        return own, self.decided(taken, stage, number).channels, after

    @lru_cache(maxsize=1 << 16)  # noqa: B019  a space lives as long as the program
    def _block(self, stage: int, number: int, taken: tuple[Option, ...]) -> Block:
        values: dict[str, Any] = {
            place.field: option for place, option in zip(self._parts[stage, number], taken, strict=True)
        }
        stride = self.chain.stages[stage - 1].stride if number == 1 else 1
        return Block(stride=stride, pad=self.chain.pad, **values)

    def _decide(
        self, places: Sequence[Place], taken: Taken, stream: int, state: State, pick: Pick
    ) -> Iterator[tuple[Taken, State]]:
        if not places:
            yield taken, state
            return
        place, *later = places
        choice = self._choice(place, taken, stream)
        for option in pick(place, choice.options, self.rules.allowed(state, choice)):
            after = self.rules.after(state, choice, option)
            yield from self._decide(later, {**taken, place: option}, stream, after, pick)

    def _choice(self, place: Place, taken: Taken, stream: int) -> Choice:
        stage, block, field = place
        options = self.options[place]
        if field not in _READERS:
            return Choice(_said(place), field, options)
        return Choice(
            _said(place),
            field,
            options,
            reads=self._read(stage, block, taken, stream),
            positions=self._positions,
        )

    def _read(self, stage: int, block: int, taken: Taken, stream: int) -> tuple[int, ...]:
        """Channels that the binary convolutions of a block, or of all blocks of a stage, may read."""
        own = taken.get(Place(stage, block, "channels"), taken.get(Place(stage, 0, "channels")))
        widths = self.chain.stages[stage - 1].widths if own is None else (_number(own),)
        if self.chain.kind.transition:
            return widths
        before = (stream,) if stream else widths
        if block:
            return before
        return (*before, *widths) if self.depth(taken, stage) > 1 else before


def _towards(wanted: Taken) -> Pick:
    """A pick of the one option that is nearest to what is wanted."""

    def pick(place: Place, options: Sequence[Option], allowed: Sequence[Option]) -> list[Option]:
        return [nearest(options, allowed, wanted[place])]

    return pick


def _number(option: Option) -> int:
    assert isinstance(option, int)
    return option


def _said(place: Place) -> str:
    """A place as messages name it."""
    if place.stage == 0:
        return f"stem.{place.field}"
    return f"stages.{place.stage}.{'each.' if place.block else ''}{place.field}"
