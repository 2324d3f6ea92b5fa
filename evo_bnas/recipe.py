"""What a run is: a frozen, validated recipe, read from YAML."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evo_bnas.data.settings import Data
from evo_bnas.data.source import describe
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.quantity import Real, Whole, parse
from evo_bnas.score import EXACT, OBJECTIVES
from evo_bnas.search import EXPLORERS
from evo_bnas.shipped import shipped
from evo_bnas.yaml_file import Settings, flatten, read, validate

if TYPE_CHECKING:
    from evo_bnas.space.genes import Space

_COMMAND_LINE = "--set"

# A run may go on with a recipe that asks for more of these; picking is done anew each time, and who does
# the work has no say in a score.
_MAY_GROW = ("search.evaluations", "search.seconds", "retrain.top")
_HANDS = ("workers", "cpus", "gpus", "address", "synchronous", "deadline")
_MAY_CHANGE = ("pick.", *(f"engine.{field}" for field in _HANDS))

_TEACHERS = ("none", "in-place")  # or a file

_COSTS = tuple(name for name in OBJECTIVES if name != "error")


def _one_of(kind: str, known: Sequence[str]) -> Callable[[str], str]:
    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"unknown {kind} {name!r}; {suggestion(name, known)}")
        return name

    return check


def _distinct(objectives: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(objectives)) < len(objectives):
        raise ValueError(f"{list(objectives)} names an objective twice")
    return objectives


def _limits(known: Sequence[str]) -> Callable[[object], object]:
    """Read the greatest allowed value of each of these objectives, in the unit of that objective."""

    def read_limits(limits: object) -> object:
        if not isinstance(limits, dict):
            return limits  # pydantic says what is wrong with it
        values = {}
        for name, value in limits.items():
            if name in OBJECTIVES and name not in known:
                raise ValueError(
                    f"{name} is no cost; choose from {', '.join(known)}, or set search.max_error"
                )
            if name not in OBJECTIVES:
                raise ValueError(f"unknown objective {name!r}; {suggestion(str(name), known)}")
            try:
                values[name] = parse(value, OBJECTIVES[name].unit)
            except ValueError as failure:
                raise ValueError(f"{name}: {failure}") from None
        return values

    return read_limits


def _teacher(name: str) -> str:
    if name not in _TEACHERS and Path(name).suffix != ".safetensors":
        way_out = suggestion(name, [*_TEACHERS, "the .safetensors file of a network"])
        raise ValueError(f"unknown teacher {name!r}; {way_out}")
    return name


_Count = Annotated[Whole, Field(ge=1)]
_Amount = Annotated[Whole, Field(ge=0)]
_Rate = Annotated[Real, Field(gt=0)]
_Decay = Annotated[Real, Field(ge=0)]
_Part = Annotated[Real, Field(ge=0)]  # of a processor
_Share = Annotated[Real, Field(ge=0, le=1)]
_Seconds = Annotated[Real, Field(gt=0)]
_Objective = Annotated[str, AfterValidator(_one_of("objective", tuple(OBJECTIVES)))]


class Augment(Settings):
    """How training images are varied."""

    crop: _Amount = 0  # pixels of padding before a random crop of the old size
    flip: bool = False  # left to right
    cutout: _Amount = 0  # side of an erased square in pixels


class Training(Settings):
    """What the training of shared weights and that of a picked network have in common."""

    epochs: _Count
    real_epochs: _Amount = 0  # a first stage with real weights
    batch: _Count = 128
    lr: _Rate = 2.5e-3  # at its highest; falls as a cosine
    warm_up: _Amount = 0  # epochs at the start of a stage in which it rises from 0
    decay: _Decay = 5e-6  # on latent binary weights only
    decay_until: _Share = 0.75  # share of a stage after which nothing decays
    label_smoothing: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    clip: _Rate | None = None  # the greatest norm of a gradient

    @model_validator(mode="after")
    def _warm_up_ends(self) -> Self:
        for stage in ("real_epochs", "epochs"):
            epochs = getattr(self, stage)
            if 0 < epochs <= self.warm_up:
                raise ValueError(f"warm_up of {self.warm_up} epochs must be shorter than {stage} ({epochs})")
        return self


class Supernet(Training):
    """How the shared weights are trained."""

    epochs: _Count = 60
    sampler: Literal["uniform", "fair", "sandwich", "tilted"] = "uniform"
    teacher: Annotated[str, AfterValidator(_teacher)] = "none"  # or in-place, or the file of a network
    sign_gradient: Literal["ste", "approx", "tanh"] = "approx"  # of the sign of the activations
    sign_clip: _Rate = 1.0  # of ste: no gradient passes where |x| is greater
    augment: Augment = Augment()
    # Processes that train together, each with its part of every batch. More than one is Ray. Batch norm is
    # over a part, so other ranks make other weights: what a run is, and not only who does the work.
    ranks: _Count = 1

    @model_validator(mode="after")
    def _every_option_has_a_say(self) -> Self:
        if self.sign_clip != 1 and self.sign_gradient != "ste":
            raise ValueError(
                f"sign_clip belongs to sign_gradient ste, not {self.sign_gradient}; leave it out"
            )
        if self.ranks > self.batch:
            raise ValueError(f"{self.ranks} ranks cannot share a batch of {self.batch}; ask for fewer")
        if self.label_smoothing and self.teacher_file is not None:
            raise ValueError(
                f"label_smoothing: networks taught by {self.teacher} see no labels; leave it out"
            )
        return self

    @property
    def teacher_file(self) -> Path | None:
        """The network that teaches, if it is one of a file."""
        return None if self.teacher in _TEACHERS else Path(self.teacher)


class Search(Settings):
    """Which networks are scored, and how many."""

    explorer: Annotated[str, AfterValidator(_one_of("explorer", tuple(EXPLORERS)))] = "surrogate"
    evaluations: _Count = 200
    seconds: _Seconds | None = None
    # With latency_ms, which is measured, a search that is run again need not find the same.
    objectives: Annotated[tuple[_Objective, ...], Field(min_length=1), AfterValidator(_distinct)] = (
        "error",
        "ops",
        "params",
    )
    # On exact costs nothing beyond them is proposed. What is measured beyond that of latency_ms is on record,
    # is a parent only in need, and is neither on the front nor picked.
    limits: Annotated[dict[str, float], BeforeValidator(_limits(_COSTS))] = Field(default_factory=dict)
    batch: _Count = 16  # proposals at once; 1 is steady state
    population: Annotated[Whole, Field(ge=2)] = 20
    polish: _Amount = 0  # so many evaluations at the end for what is one gene from the front
    attempts: _Count = 2  # at an evaluation that fails
    max_error: Annotated[Real, Field(gt=0, le=1)] | None = None  # above it: a parent only in need
    warm_start: tuple[str, ...] = ()  # finished runs of the same space: folders, or names of their recipes
    stall: _Count | None = None  # stop after so many evaluations without more hypervolume


class Evaluate(Settings):
    """How networks are scored."""

    # packed: with XNOR and popcount, on the CPU. auto: packed, but torch where the run has a GPU.
    backend: Literal["auto", "packed", "torch"] = "auto"
    batch: _Count = 128  # images of one forward pass; sums round by it, so it belongs to the protocol


class Pick(Settings):
    """Which network of the front is taken."""

    limits: Annotated[dict[str, float], BeforeValidator(_limits(tuple(OBJECTIVES)))] = Field(
        default_factory=dict
    )
    within: Annotated[Real, Field(ge=0, lt=1)] | None = None  # of the best accuracy: the cheapest such
    knee: bool = False


class Retrain(Training):
    """How the picked networks are trained to the end."""

    source: Literal["supernet", "scratch"] = Field(default="supernet", alias="from")
    epochs: _Count = 20
    top: _Count = 1  # so many of the best


class Engine(Settings):
    """Where the work is done."""

    workers: _Count = (
        1  # processes that score, or train one network each; more than one, or an address, is Ray
    )
    cpus: _Part = 1  # of each worker, as Ray counts them
    gpus: _Part = 0
    address: str | None = None  # of a Ray cluster; without one that in RAY_ADDRESS, else one is started here
    # Every batch is finished before the next is asked for: the journal of one worker, whatever their number.
    synchronous: bool = False
    # Of an evaluation in the search; else 10 times the slowest, and at least 10 minutes. Trainings have none.
    deadline: _Seconds | None = None
    # All cores; of each of several workers or ranks as many as `cpus` says.
    threads: _Count | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    # Of training. auto: bfloat16 on a GPU; on a CPU float32, since only some multiply bfloat16 faster.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    @model_validator(mode="after")
    def _workers_need_something(self) -> Self:
        if self.cpus == self.gpus == 0:
            raise ValueError("cpus and gpus are both 0, so that any number of workers fits; ask for some")
        return self

    @property
    def distributed(self) -> bool:
        """Whether it is work for Ray."""
        return self.workers > 1 or self.address is not None

    def at_most(self, workers: int) -> Self:
        """The same with no more workers than there is work for."""
        return self.model_copy(update={"workers": min(self.workers, workers)})


class Recipe(Settings):
    """A whole run."""

    data: Data
    space: str  # name, or path of a YAML file as the shell sees it
    supernet: Supernet = Supernet()
    search: Search = Search()
    evaluate: Evaluate = Evaluate()
    pick: Pick = Pick()
    retrain: Retrain = Retrain()
    engine: Engine = Engine()
    seed: _Amount = 0

    @model_validator(mode="after")
    def _what_is_limited_is_measured(self) -> Self:
        for part, limits in (("search", self.search.limits), ("pick", self.pick.limits)):
            for name in limits:
                if name not in (*EXACT, "error", *self.search.objectives):
                    raise ValueError(
                        f"{part}.limits: {name} is measured only where search.objectives names it; "
                        "add it there"
                    )
        return self

    @model_validator(mode="after")
    def _latency_is_measured_alone(self) -> Self:
        if "latency_ms" in self.search.objectives and self.engine.distributed:
            raise ValueError("latency_ms is measured on this host with nothing beside it: leave workers at 1")
        return self

    @property
    def hash(self) -> str:
        content = self.model_dump(mode="json", by_alias=True, exclude={"engine": set(_HANDS)})
        text = json.dumps(content, sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]


def names() -> list[str]:
    """The shipped recipes."""
    return sorted(path.stem for path in shipped("runs").glob("*.yaml"))


def load(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe with this name or in this file, changed by overrides such as `search.evaluations=50`.

    Raises UsageError where there is none, or where the file or an override is wrong.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = shipped("runs") / f"{name}.yaml"
        if not path.is_file():
            raise UsageError(f"unknown recipe {str(name)!r}; {suggestion(str(name), names())}")
    content = read(path)
    recipe = validate(Recipe, content, str(path))
    for override in overrides:
        content = _overridden(content, override)
        recipe = validate(Recipe, content, _COMMAND_LINE)
    return recipe


def fitted_space(recipe: Recipe) -> "Space":
    """The space of a recipe for the images of its data set.

    Raises UsageError where there is no such space, where it is made for images of another size, and where
    a limit on an exact cost leaves no network.
    """
    from evo_bnas.space import catalogue  # numpy

    image, classes = describe(recipe.data)
    made = catalogue.load(recipe.space)
    try:
        space = made.fit(image, classes)
    except ValueError as failure:
        others = [other.name for other in catalogue.taking(image, classes)]
        way_out = suggestion(made.name, others) if others else f"set data.size, such as {made.sides[1]}"
        raise UsageError(f"data {recipe.data.name}: {failure}; {way_out}") from None
    for limits in (recipe.search.limits, recipe.pick.limits):
        space.check_limits(limits)
    return space


def differences(old: Recipe, new: Recipe) -> list[str]:
    """What forbids to continue a run of the old recipe with the new one, one line each."""
    before, after = (flatten(recipe.model_dump(mode="json", by_alias=True)) for recipe in (old, new))
    lines = []
    for key in before | after:
        was, now = before.get(key), after.get(key)
        if was == now or key.startswith(_MAY_CHANGE):
            continue
        if key in _MAY_GROW and (now is None or (was is not None and now > was)):
            continue
        only = "; it may only grow" if key in _MAY_GROW else ""
        lines.append(f"{key}: {_shown(was)} in the run, {_shown(now)} in the recipe{only}")
    return lines


def _overridden(content: Mapping[str, Any], override: str) -> dict[str, Any]:
    """A copy of a file's content with one key changed; raises UsageError where it is no `key=value`."""
    key, equals, text = override.partition("=")
    if not (key.strip() and equals):
        raise UsageError(f"{_COMMAND_LINE} {override}: write it like search.evaluations=50")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        raise UsageError(f"{_COMMAND_LINE} {override}: {text!r} is no YAML value") from None
    changed = dict(content)
    part = changed
    *parents, last = key.strip().split(".")
    for parent in parents:
        inner = part.get(parent)
        part[parent] = dict(inner) if isinstance(inner, dict) else {}
        part = part[parent]
    part[last] = value
    return changed


def _shown(value: object) -> str:
    return "unset" if value is None else json.dumps(value)
