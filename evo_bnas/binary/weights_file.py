"""Tensors in safetensors files whose header says what they are; nothing in them is ever executed."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from evo_bnas.durable import write_bytes
from evo_bnas.errors import UsageError

_ENTRY = "evo-bnas"


def write(path: Path, kind: str, state: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Write tensors and header, whole or not at all; `kind` is what `read` will ask for.

    Equal content gives equal bytes.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    # One entry, since safetensors writes the entries of its header in random order.
    entry = json.dumps({"format": _format(kind), **header}, sort_keys=True)
    write_bytes(path, save(plain, metadata={_ENTRY: entry}))


def read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header; raises UsageError where the file is missing, damaged or of another kind."""
    try:
        with safe_open(path, framework="pt") as file:
            entry = (file.metadata() or {}).get(_ENTRY, "{}")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as failure:
        raise UsageError(f"{path}: is no whole safetensors file: {_first_line(failure)}") from None
    header = _header(entry)
    if header.get("format") != _format(kind):
        found = header.get("format", "no file of evo-bnas")
        raise UsageError(f"{path}: holds {found}, where {_format(kind)} is asked for")
    return state, header


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Put a file's tensors into a module; raises UsageError that names what differs."""
    own = module.state_dict()
    differing = sorted(own.keys() ^ state.keys()) or [n for n in own if own[n].shape != state[n].shape]
    if differing:
        name = differing[0]
        expected = tuple(own[name].shape) if name in own else "nothing"
        found = tuple(state[name].shape) if name in state else "nothing"
        raise UsageError(f"{path}: does not fit: {name} is {found} in the file, {expected} is asked for")
    module.load_state_dict(dict(state), strict=True)


def fingerprint(path: Path) -> str:
    """Identity of the weights in a file: the beginning of the SHA-256 of its bytes."""
    return sha256(path.read_bytes()).hexdigest()[:16]


def _format(kind: str) -> str:
    return f"evo-bnas {kind} 1"


def _header(entry: str) -> dict[str, str]:
    try:
        header = json.loads(entry)
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


def _first_line(failure: Exception) -> str:
    return (getattr(failure, "strerror", None) or str(failure)).splitlines()[0]
