"""The header entry by which a safetensors file says what it holds: one JSON value under one name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evo_bnas.errors import UsageError

_ENTRY = "evo-bnas"


def metadata(kind: str, header: Mapping[str, Any]) -> dict[str, str]:
    """What safetensors is given to write; `kind` is what `header_of` will ask for.

    One entry, since safetensors writes the entries of its header in random order.
    """
    return {_ENTRY: json.dumps({"format": _format(kind), **header}, sort_keys=True)}


def header_of(path: Path, kind: str, found: Mapping[str, str] | None) -> dict[str, Any]:
    """The header in a file's metadata; raises UsageError where the file is of another kind."""
    try:
        header = json.loads((found or {}).get(_ENTRY, "{}"))
    except (ValueError, RecursionError):
        header = {}
    if not isinstance(header, dict) or header.get("format") != _format(kind):
        holds = header.get("format") if isinstance(header, dict) else None
        raise UsageError(
            f"{path}: holds {holds or 'no file of evo-bnas'}, where {_format(kind)} is asked for"
        )
    return header


def broken(path: Path, failure: Exception) -> UsageError:
    """What is said of a file that is missing, cut off or no safetensors file."""
    reason = (getattr(failure, "strerror", None) or str(failure)).splitlines()[0]
    return UsageError(f"{path}: is no whole safetensors file: {reason}")


def _format(kind: str) -> str:
    return f"evo-bnas {kind} 1"
