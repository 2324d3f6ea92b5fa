"""The header of our safetensors files: it names the kind of file, and holds JSON values."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evo_bnas.errors import UsageError

_ENTRY = "evo-bnas"


def metadata(kind: str, header: Mapping[str, Any]) -> dict[str, str]:
    """The metadata to write for a file of this kind.

    It is a single entry, since safetensors writes several entries in random order.
    """
    return {_ENTRY: json.dumps({"format": _format(kind), **header}, sort_keys=True)}


def header_of(path: Path, kind: str, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """The header in the metadata of a file; raises UsageError if the file is of another kind."""
    try:
        content = json.loads((metadata or {}).get(_ENTRY, "{}"))
    except (ValueError, RecursionError):
        content = {}
    header: dict[str, Any] = content if isinstance(content, dict) else {}
    if header.get("format") != _format(kind):
        actual = header.get("format") or "not a file of evo-bnas"
        raise UsageError(f"{path}: is {actual}; {_format(kind)} is needed")
    return header


def broken(path: Path, failure: Exception) -> UsageError:
    """The error for a file that is missing, truncated or not a safetensors file."""
    if not path.exists():
        return UsageError(f"{path}: does not exist")
    reason = (getattr(failure, "strerror", None) or str(failure)).splitlines()[0]
    return UsageError(f"{path}: is not a complete safetensors file: {reason}")


def _format(kind: str) -> str:
    return f"evo-bnas {kind} 1"
