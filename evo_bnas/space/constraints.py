"""What the choices of a space obey together, by name: `constraints: {nondecreasing: channels, min_group: 8}`.

A space decides its choices in a fixed order. At each of them a constraint says which options remain, from
what it remembers of the earlier ones. So one pass repairs any genes, and legal architectures can be counted
without being listed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from math import floor
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator

from evo_bnas.errors import suggestion
from evo_bnas.quantity import parse
from evo_bnas.space.operations import OPERATIONS

Option = int | str
State = Any  # what a constraint remembers of earlier choices; hashable


class Choice(NamedTuple):
    """One decision, with what constraints may want to know of it; a fixed value is a choice of one option."""

    place: str  # in the file, for messages: "stages.2.groups"
    field: str  # what is decided: "channels", "kernel", "groups", "operation", …
    options: tuple[Option, ...]
    reads: tuple[int, ...] = ()  # numbers of channels that its binary convolutions may read
    scope: str = ""  # a share is counted within a scope: the chain, or one kind of cell
    positions: int = 1  # how many choices of this field the scope has


class Constraint(ABC):
    """A rule over choices; `start` is what it remembers before the first one."""

    start: State = None

    @abstractmethod
    def concerns(self, field: str) -> bool:
        """Whether it has a say in choices of this field."""

    @abstractmethod
    def allows(self, state: State, choice: Choice, option: Option) -> bool:
        """Whether the option may be taken after what is remembered."""

    def after(self, state: State, choice: Choice, option: Option) -> State:
        """What is remembered once the option is taken."""
        return state

    @abstractmethod
    def refusal(self, state: State, choice: Choice) -> str:
        """What is wrong where it allows no option, and the way out."""


class NonDecreasing(Constraint):
    """No value of the field is less than the one before it.

    Lin et al., NAS-BNN (Pattern Recognition 159, 2025): a layer that narrows would drop real-valued channels.
    """

    start = 0

    def __init__(self, value: object) -> None:
        if value != "channels":
            raise ValueError(f"{value!r} cannot be ordered; write channels")
        self._field = "channels"

    def concerns(self, field: str) -> bool:
        return field == self._field

    def allows(self, state: State, choice: Choice, option: Option) -> bool:
        return bool(option >= state)

    def after(self, state: State, choice: Choice, option: Option) -> State:
        return option

    def refusal(self, state: State, choice: Choice) -> str:
        return f"none of {list(choice.options)} may follow {state} {self._field}; offer {state} or more"


class _Grouping(Constraint):
    """A rule for the channels that each group of a binary convolution reads; one group is always allowed."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{value!r} is no number of channels; write a whole number of 1 or more")
        self._channels = value

    def concerns(self, field: str) -> bool:
        return field in ("groups", "pointwise_groups", "operation")

    def allows(self, state: State, choice: Choice, option: Option) -> bool:
        groups = option if isinstance(option, int) else OPERATIONS[option].groups
        return groups == 1 or all(self._fits(width / groups) for width in choice.reads)

    @abstractmethod
    def _fits(self, fan_in: float) -> bool:
        """Whether a group may read so many channels."""


class MinGroup(_Grouping):
    """Every group of a binary group convolution reads at least so many channels.

    A sum over n channels of k x k signs takes n * k * k + 1 values only: few where groups are narrow.
    """

    def _fits(self, fan_in: float) -> bool:
        return fan_in >= self._channels

    def refusal(self, state: State, choice: Choice) -> str:
        return (
            f"none of {list(choice.options)} groups reads {self._channels} channels each "
            f"where there are {min(choice.reads)}; offer fewer groups"
        )


class Align(_Grouping):
    """Every group of a binary group convolution reads a multiple of so many channels.

    Larq Compute Engine packs 32 channels into a word and refuses other groups.
    """

    def _fits(self, fan_in: float) -> bool:
        return fan_in % self._channels == 0

    def refusal(self, state: State, choice: Choice) -> str:
        widths = " and ".join(map(str, choice.reads))
        return (
            f"none of {list(choice.options)} groups reads a multiple of {self._channels} channels each "
            f"where there are {widths}; offer 1"
        )


class MaxParameterFree(Constraint):
    """At most this share of the operations of a scope is parameter-free.

    Pools and skips learn at once and win too early in a supernet; the last ones too many give way.
    """

    start = ("", 0)  # the scope, and how many it has so far

    def __init__(self, value: object) -> None:
        self._share = parse(value)
        if not 0 <= self._share <= 1:
            raise ValueError(f"{value!r} is no share; write it like 1/3 or 0.5")

    def concerns(self, field: str) -> bool:
        return field == "operation"

    def allows(self, state: State, choice: Choice, option: Option) -> bool:
        return not OPERATIONS[str(option)].parameter_free or self._met(state, choice) < self._most(choice)

    def after(self, state: State, choice: Choice, option: Option) -> State:
        return choice.scope, self._met(state, choice) + OPERATIONS[str(option)].parameter_free

    def refusal(self, state: State, choice: Choice) -> str:
        return (
            f"none of {list(choice.options)} has weights, but at most {self._most(choice)} "
            f"of {choice.positions} operations may have none; offer b3"
        )

    def _met(self, state: State, choice: Choice) -> int:
        scope, met = state
        return met if scope == choice.scope else 0

    def _most(self, choice: Choice) -> int:
        return floor(self._share * choice.positions + 1e-9)  # 1/3 of 12 is 4


# One entry a constraint: how its value in the file becomes the rule.
CONSTRAINTS: dict[str, Callable[[object], Constraint]] = {
    "nondecreasing": NonDecreasing,
    "min_group": MinGroup,
    "align": Align,
    "max_parameter_free": MaxParameterFree,
}


def _known(constraints: dict[str, Any]) -> dict[str, Any]:
    for name, value in constraints.items():
        if name not in CONSTRAINTS:
            raise ValueError(f"{name!r} is no constraint; {suggestion(name, CONSTRAINTS)}")
        try:
            CONSTRAINTS[name](value)
        except ValueError as failure:
            raise ValueError(f"{name}: {failure}") from None
    return constraints


# The field of a space's definition.
Constraints = Annotated[dict[str, Any], AfterValidator(_known)]


def check_concerns(constraints: Mapping[str, Any], fields: Sequence[str]) -> None:
    """Raise ValueError where a constraint has a say in none of the fields that a space decides."""
    for name, value in constraints.items():
        rule = CONSTRAINTS[name](value)
        if not any(rule.concerns(field) for field in fields):
            decided = ", ".join(dict.fromkeys(fields))
            raise ValueError(f"constraints.{name}: has no say over {decided}; leave it out")


class Rules:
    """All constraints of a space as one automaton."""

    def __init__(self, constraints: Mapping[str, Any]) -> None:
        self._all = tuple(CONSTRAINTS[name](value) for name, value in constraints.items())
        self.start: State = tuple(constraint.start for constraint in self._all)

    def allowed(self, state: State, choice: Choice) -> tuple[Option, ...]:
        """The options that remain; raises ValueError, naming the place, where there are none."""
        for constraint, memory in zip(self._all, state, strict=True):
            if constraint.concerns(choice.field):
                remain = tuple(o for o in choice.options if constraint.allows(memory, choice, o))
                if not remain:
                    raise ValueError(f"{choice.place}: {constraint.refusal(memory, choice)}")
                choice = choice._replace(options=remain)
        return choice.options

    def after(self, state: State, choice: Choice, option: Option) -> State:
        """What is remembered once the option is taken."""
        return tuple(
            constraint.after(memory, choice, option) if constraint.concerns(choice.field) else memory
            for constraint, memory in zip(self._all, state, strict=True)
        )

    def settle(self, state: State, choice: Choice, wanted: Option) -> tuple[Option, State]:
        """The option to take where this one is wanted, and what is remembered then.

        It is the wanted one if that is allowed, else the last allowed one before it, else the first.
        """
        taken = nearest(choice.options, self.allowed(state, choice), wanted)
        return taken, self.after(state, choice, taken)


def nearest(options: Sequence[Option], allowed: Sequence[Option], wanted: Option) -> Option:
    """The wanted option if it is allowed, else the last allowed one before it, else the first."""
    before = options[: options.index(wanted) + 1]
    return next((option for option in reversed(before) if option in allowed), allowed[0])
