"""A recipe: what a run does, read from YAML; each section belongs to the package that it configures."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import model_validator

from evo_bnas.archive.settings import PickSettings
from evo_bnas.cluster.settings import RESOURCES, EngineSettings
from evo_bnas.data.settings import DataSettings
from evo_bnas.data.source import describe
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.evaluate.settings import EvaluationSettings
from evo_bnas.files.shipped import shipped
from evo_bnas.files.yaml_file import Settings, flatten, read, validate
from evo_bnas.network.objectives import EXACT
from evo_bnas.quantity import Amount
from evo_bnas.search.settings import SearchSettings
from evo_bnas.train.settings import RetrainSettings, SupernetSettings

if TYPE_CHECKING:
    from evo_bnas.space.genes import Space

_COMMAND_LINE = "--set"

# A run may be resumed with more of these; the pick is made anew each time, and resources do not change it.
_MAY_GROW = ("search.evaluations", "search.seconds", "retrain.networks")
_MAY_CHANGE = ("pick.", *(f"engine.{field}" for field in RESOURCES))


class Recipe(Settings):
    """A whole run."""

    data: DataSettings
    space: str  # name, or path of a YAML file as the shell sees it
    supernet: SupernetSettings = SupernetSettings()
    search: SearchSettings = SearchSettings()
    evaluate: EvaluationSettings = EvaluationSettings()
    pick: PickSettings = PickSettings()
    retrain: RetrainSettings = RetrainSettings()
    engine: EngineSettings = EngineSettings()
    seed: Amount = 0

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
        content = self.model_dump(mode="json", by_alias=True, exclude={"engine": set(RESOURCES)})
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
