"""Tensors in safetensors files, with a header that names their kind; reading one never executes code."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import write_bytes
from evo_bnas.files.safetensors_header import broken, header_of, metadata


def write(path: Path, kind: str, state: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Write tensors and header atomically; `read` needs the same `kind`. Equal content gives equal bytes."""
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_bytes(path, save(plain, metadata=metadata(kind, header)))


def read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header; raises UsageError if the file is missing, damaged or of another kind."""
    try:
        with safe_open(path, framework="pt") as file:
            entries = file.metadata()
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as failure:
        raise broken(path, failure) from None
    return state, header_of(path, kind, entries)


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load the tensors of a file into a module; raises UsageError that names the first difference."""
    own = module.state_dict()
    differing = sorted(own.keys() ^ state.keys()) or [n for n in own if own[n].shape != state[n].shape]
    if differing:
        name = differing[0]
        expected = tuple(own[name].shape) if name in own else "absent"
        actual = tuple(state[name].shape) if name in state else "absent"
        raise UsageError(f"{path}: does not match: {name} is {actual} in the file and should be {expected}")
    module.load_state_dict(dict(state), strict=True)


def fingerprint(path: Path) -> str:
    """The identity of the weights in a file: the start of the SHA-256 of its bytes."""
    return sha256(path.read_bytes()).hexdigest()[:16]
