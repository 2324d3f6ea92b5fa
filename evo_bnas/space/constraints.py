"""Constraints over the choices of a space, by name: `constraints: {nondecreasing: channels, min_group: 8}`.

A space makes its choices in a fixed order. At each choice, a constraint allows some options, depending on its
state after the earlier choices. So one pass repairs any genes, and legal architectures can be counted without
enumeration.
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
State = Any  # of a constraint after earlier choices; hashable


class Choice(NamedTuple):
    """One choice with everything that constraints use; a fixed value is a choice of one option."""

    place: str  # in the YAML file, for messages: "stages.2.groups"
    field: str  # "channels", "kernel", "groups", "operation", …
    options: tuple[Option, ...]
    reads: tuple[int, ...] = ()  # possible input channels of its binary convolutions
    scope: str = ""  # shares are relative to a scope: the chain, or one kind of cell
    positions: int = 1  # number of choices of this field in the scope


class Constraint(ABC):
    """A rule over choices; `start` is its state before the first one."""

    start: State = None

    @abstractmethod
    def concerns(self, field: str) -> bool:
        """Whether it applies to choices of this field."""

    @abstractmethod
    def allows(self, state: State, choice: Choice, option: Option) -> bool:
        """Whether the option is allowed in this state."""

    def after(self, state: State, choice: Choice, option: Option) -> State:
        """The state after choosing the option."""
        return state

    @abstractmethod
    def refusal(self, state: State, choice: Choice) -> str:
        """The message if it allows no option: what is wrong, and the way out."""


class NonDecreasing(Constraint):
    """No value of a field is less than the one before it.

    Lin et al., NAS-BNN (Pattern Recognition 159, 2025): a narrower layer would drop real-valued channels.
    """

    start = 0

    def __init__(self, value: object) -> None:
        if value != "channels":
            raise ValueError(f"{value!r} is not supported; write channels")
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
    """A rule for the input channels of a group of a binary convolution; one group is always allowed."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{value!r} is not a number of channels; write a whole number of 1 or more")
        self._channels = value

    def concerns(self, field: str) -> bool:
        return field in ("groups", "pointwise_groups", "operation")

    def allows(self, state: State, choice: Choice, option: Option) -> bool:
        groups = option if isinstance(option, int) else OPERATIONS[option].groups
        return groups == 1 or all(self._fits(width / groups) for width in choice.reads)

    @abstractmethod
    def _fits(self, fan_in: float) -> bool:
        """Whether a group may have this number of input channels."""


class MinGroup(_Grouping):
    """A minimum number of input channels for every group of a binary group convolution.

    A sum of signs over n channels and k x k taps has only n * k * k + 1 values, which are few in narrow
    groups.
    """

    def _fits(self, fan_in: float) -> bool:
        return fan_in >= self._channels

    def refusal(self, state: State, choice: Choice) -> str:
        return (
            f"none of {list(choice.options)} groups leaves {self._channels} of {min(choice.reads)} channels "
            "to each group; offer fewer groups"
        )


class Align(_Grouping):
    """A divisor of the number of input channels of every group of a binary group convolution.

    Larq Compute Engine packs 32 channels into a word and refuses other groups.
    """

    def _fits(self, fan_in: float) -> bool:
        return fan_in % self._channels == 0

    def refusal(self, state: State, choice: Choice) -> str:
        widths = " and ".join(map(str, choice.reads))
        return (
            f"none of {list(choice.options)} groups gives each group of {widths} channels a multiple of "
            f"{self._channels}; offer 1"
        )


class MaxParameterFree(Constraint):
    """A maximum share of parameter-free operations in a scope.

    Pools and skips need no training, so that a supernet favours them too early. Repair replaces the last
    ones.
    """

    start = ("", 0)  # the scope, and its number of parameter-free operations so far

    def __init__(self, value: object) -> None:
        self._share = parse(value)
        if not 0 <= self._share <= 1:
            raise ValueError(f"{value!r} is not a share; write it like 1/3 or 0.5")

    def concerns(self, field: str) -> bool:
        return field == "operation"

    def allows(self, state: State, choice: Choice, option: Option) -> bool:
        return not OPERATIONS[str(option)].parameter_free or self._count(state, choice) < self._maximum(
            choice
        )

    def after(self, state: State, choice: Choice, option: Option) -> State:
        return choice.scope, self._count(state, choice) + OPERATIONS[str(option)].parameter_free

    def refusal(self, state: State, choice: Choice) -> str:
        return (
            f"none of {list(choice.options)} has weights, but at most {self._maximum(choice)} "
            f"of {choice.positions} operations may have none; offer b3"
        )

    def _count(self, state: State, choice: Choice) -> int:
        scope, count = state
        return count if scope == choice.scope else 0

    def _maximum(self, choice: Choice) -> int:
        return floor(self._share * choice.positions + 1e-9)  # 1/3 of 12 is 4


# One entry per constraint: it makes the rule from its value in the YAML file.
CONSTRAINTS: dict[str, Callable[[object], Constraint]] = {
    "nondecreasing": NonDecreasing,
    "min_group": MinGroup,
    "align": Align,
    "max_parameter_free": MaxParameterFree,
}


def _known(constraints: dict[str, Any]) -> dict[str, Any]:
    for name, value in constraints.items():
        if name not in CONSTRAINTS:
            raise ValueError(f"unknown constraint {name!r}; {suggestion(name, CONSTRAINTS)}")
        try:
            CONSTRAINTS[name](value)
        except ValueError as failure:
            raise ValueError(f"{name}: {failure}") from None
    return constraints


# The field of a space's definition.
Constraints = Annotated[dict[str, Any], AfterValidator(_known)]


def check_concerns(constraints: Mapping[str, Any], fields: Sequence[str]) -> None:
    """Raise ValueError if a constraint applies to none of the fields that a space decides."""
    for name, value in constraints.items():
        rule = CONSTRAINTS[name](value)
        if not any(rule.concerns(field) for field in fields):
            decided = ", ".join(dict.fromkeys(fields))
            raise ValueError(f"constraints.{name}: does not apply to {decided}; leave it out")


class Rules:
    """All constraints of a space as one automaton."""

    def __init__(self, constraints: Mapping[str, Any]) -> None:
        self._all = tuple(CONSTRAINTS[name](value) for name, value in constraints.items())
        self.start: State = tuple(constraint.start for constraint in self._all)

    def allowed(self, state: State, choice: Choice) -> tuple[Option, ...]:
        """The options that all constraints allow; raises ValueError with the place if there are none."""
        for constraint, own in zip(self._all, state, strict=True):
            if constraint.concerns(choice.field):
                remain = tuple(o for o in choice.options if constraint.allows(own, choice, o))
                if not remain:
                    raise ValueError(f"{choice.place}: {constraint.refusal(own, choice)}")
                choice = choice._replace(options=remain)
        return choice.options

    def after(self, state: State, choice: Choice, option: Option) -> State:
        """The state after choosing the option."""
        return tuple(
            constraint.after(own, choice, option) if constraint.concerns(choice.field) else own
            for constraint, own in zip(self._all, state, strict=True)
        )

    def settle(self, state: State, choice: Choice, wanted: Option) -> tuple[Option, State]:
        """The allowed option that is `nearest` to the wanted one, and the state after choosing it."""
        option = nearest(choice.options, self.allowed(state, choice), wanted)
        return option, self.after(state, choice, option)


def nearest(options: Sequence[Option], allowed: Sequence[Option], wanted: Option) -> Option:
    """The wanted option if it is allowed, otherwise the last allowed one before it, otherwise the first."""
    before = options[: options.index(wanted) + 1]
    return next((option for option in reversed(before) if option in allowed), allowed[0])
