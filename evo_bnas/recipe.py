"""A recipe: what a run does, read from YAML; each section belongs to the package that it configures."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import model_validator

from evo_bnas.archive.settings import PickSettings
from evo_bnas.cluster.settings import RESOURCES, EngineSettings
from evo_bnas.data.settings import DataSettings
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.evaluate.settings import EvaluationSettings
from evo_bnas.files.shipped import shipped
from evo_bnas.files.yaml_file import Settings, flatten, read, validate
from evo_bnas.network.objectives import EXACT
from evo_bnas.quantity import Amount
from evo_bnas.search.settings import SearchSettings
from evo_bnas.train.settings import ConfirmSettings, RetrainSettings, SupernetSettings

_COMMAND_LINE = "--set"

# A run may be resumed with more of these. Picks are repeated each time, from what is trained for them, and
# resources do not change them.
_MAY_GROW = ("search.evaluations", "search.seconds", "retrain.seeds")
_MAY_CHANGE = (
    "pick.",
    "confirm.networks",
    "confirm.epochs",
    "retrain.networks",
    *(f"engine.{field}" for field in RESOURCES),
)


class Recipe(Settings):
    """A whole run."""

    data: DataSettings
    space: str  # name, or path of a YAML file as the shell sees it
    supernet: SupernetSettings = SupernetSettings()
    search: SearchSettings = SearchSettings()
    evaluate: EvaluationSettings = EvaluationSettings()
    confirm: ConfirmSettings = ConfirmSettings()
    pick: PickSettings = PickSettings()
    retrain: RetrainSettings = RetrainSettings()
    engine: EngineSettings = EngineSettings()
    seed: Amount = 0

    @model_validator(mode="after")
    def _limits_are_on_objectives(self) -> Self:
        for part, limits in (("search", self.search.limits), ("pick", self.pick.limits)):
            for name in limits:
                if name not in (*EXACT, "error", *self.search.objectives):
                    raise ValueError(
                        f"{part}.limits: {name} is only measured as an objective; add it to search.objectives"
                    )
        return self

    @model_validator(mode="after")
    def _latency_needs_one_worker(self) -> Self:
        if "latency_ms" in self.search.objectives and self.engine.distributed:
            raise ValueError(
                "latency_ms is measured on this host without other load: set engine.workers to 1"
            )
        return self

    @property
    def hash(self) -> str:
        content = self.model_dump(mode="json", by_alias=True, exclude={"engine": set(RESOURCES)})
        text = json.dumps(content, sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]


def names() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(path.stem for path in shipped("runs").glob("*.yaml"))


def load(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe with this name or in this file, changed by overrides such as `search.evaluations=50`.

    Raises UsageError if there is none, or if the file or an override is wrong.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = shipped("runs") / f"{name}.yaml"
        if not path.is_file():
            raise UsageError(f"unknown recipe {str(name)!r}; {suggestion(str(name), names())}")
    content = read(path)
    recipe = validate(Recipe, content, str(path))
    if overrides:
        # Validated together: one may only be possible with another.
        for override in overrides:
            content = _overridden(content, override)
        recipe = validate(Recipe, content, _COMMAND_LINE)
    return recipe


def differences(old: Recipe, new: Recipe) -> list[str]:
    """Why a run of the old recipe cannot be resumed with the new one, one line per reason."""
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
    """A copy of a file's content with one key changed; raises UsageError unless it is `key=value`."""
    key, equals, text = override.partition("=")
    if not (key.strip() and equals):
        raise UsageError(f"{_COMMAND_LINE} {override}: write it like search.evaluations=50")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        raise UsageError(f"{_COMMAND_LINE} {override}: {text!r} is not a YAML value") from None
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
