"""YAML files as frozen, validated settings; errors name the file, the key and a way out."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from evo_bnas.errors import UsageError, suggestion

Model = TypeVar("Model", bound=BaseModel)

# Messages instead of those of pydantic that use Python's terms, by type of error.
_MESSAGES = {
    "model_type": "must hold `key: value` pairs",
    "dict_type": "must hold `key: value` pairs",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
}


class Settings(BaseModel):
    """A section of a file; frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def one_of(kind: str, known: Sequence[str]) -> Callable[[str], str]:
    """A validator that accepts known names only, and otherwise suggests the nearest one."""

    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"unknown {kind} {name!r}; {suggestion(name, known)}")
        return name

    return check


class _Loader(yaml.SafeLoader):
    """Accepts plain values only, and no duplicate keys, of which PyYAML would silently use the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in keys:
                problem = f"duplicate key {key.value!r}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            keys.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises UsageError if the file is missing, invalid or not a mapping."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as failure:
        raise UsageError(f"{path}: cannot be read: {_first_line(failure)}") from None
    except yaml.constructor.ConstructorError as failure:
        # Tags such as !!python/object are refused here.
        raise UsageError(f"{path}: {_line(failure)}{failure.problem}; use plain values") from None
    except (yaml.YAMLError, ValueError) as failure:  # ValueError: a date such as 2026-13-01
        raise UsageError(f"{path}: is not valid YAML: {_line(failure)}{_problem(failure)}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: must hold `key: value` lines, not {type(content).__name__}")
    return content


def dump(model: BaseModel) -> str:
    """A model as YAML; `read` and `validate` return an equal model."""
    return yaml.safe_dump(model.model_dump(mode="json", by_alias=True), sort_keys=False)


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested mappings and lists of mappings, by dotted key; list items count from 1."""
    leaves: dict[str, Any] = {}
    for key, value in content.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            value = {str(number): item for number, item in enumerate(value, 1)}
        if isinstance(value, dict):
            leaves |= flatten(value, f"{dotted}.")
        else:
            leaves[dotted] = value
    return leaves


def validate(model: type[Model], content: Mapping[str, Any], source: str) -> Model:
    """Build a model; raises UsageError with a line for every wrong key, starting with `source`."""
    try:
        return model.model_validate(content)
    except ValidationError as failure:
        lines = [f"{source}: {_explain(model, error)}" for error in _without_consequences(failure.errors())]
        raise UsageError("\n".join(lines)) from None


def _without_consequences(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """The errors without those of lists that are too short because their items are wrong."""
    parents = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    return [error for error in errors if error["type"] != "too_short" or error["loc"] not in parents]


def _explain(model: type[BaseModel], error: ErrorDetails) -> str:
    path = [part for part in error["loc"] if not str(part).startswith("function-")]
    key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in path)
    if error["type"] == "extra_forbidden":
        known = _fields_at(model, [str(part) for part in path[:-1]])
        return f"{key}: unknown key; {suggestion(str(path[-1]), known)}"
    if error["type"] == "missing":
        return f"{key}: is missing"
    lead = f"{key}: " if key else ""
    if error["type"] in _MESSAGES:
        return f"{lead}{_MESSAGES[error['type']]} (got {error['input']!r})"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    shown = isinstance(error["input"], dict) or repr(error["input"]) in message
    got = "" if shown else f" (got {error['input']!r})"
    return lead + message[0].lower() + message[1:] + got


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys of the section at a path."""
    for name in path:
        field = _fields(model).get(name)
        for candidate in _models_in(field.annotation) if field else []:
            model = candidate
    return list(_fields(model))


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model, by their keys in a file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    inner = getattr(annotation, "__args__", ())
    return [model for argument in inner for model in _models_in(argument)]


def _line(failure: Exception) -> str:
    mark = getattr(failure, "problem_mark", None)
    return f"line {mark.line + 1}: " if mark else ""


def _problem(failure: Exception) -> str:
    return str(getattr(failure, "problem", None) or _first_line(failure))


def _first_line(failure: Exception) -> str:
    return (getattr(failure, "strerror", None) or str(failure)).splitlines()[0]
