"""The targets of an export."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from evo_bnas.errors import UsageError
from evo_bnas.export import retrained
from evo_bnas.export.c import export_c
from evo_bnas.export.exported import Exported
from evo_bnas.export.onnx import export_onnx
from evo_bnas.export.packed import export_packed
from evo_bnas.packed.file import PackedNetwork
from evo_bnas.run.folder import Run


class ExportTarget(NamedTuple):
    """A format, with the default name of its file."""

    file: str
    write: Callable[[PackedNetwork, Path], Exported]


TARGETS: Mapping[str, ExportTarget] = MappingProxyType(
    {
        "packed": ExportTarget("packed.safetensors", export_packed),
        "c": ExportTarget("network.c", export_c),
        "onnx": ExportTarget("network.onnx", export_onnx),
    }
)


def export(run: Run, key: str | None, target: str, out: Path | None = None) -> tuple[PackedNetwork, Exported]:
    """Write a retrained network of a run in a target format; without a key, `retrained.choose` decides.

    Raises UsageError if the network is not retrained, its files are damaged, or the file cannot be written.
    """
    chosen = retrained.choose(run, key)
    form = TARGETS[target]
    path = out or run.pick_folder(chosen) / form.file
    network = retrained.load(run, chosen)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return network, form.write(network, path)
    except OSError as failure:
        raise UsageError(f"--out {path}: {failure.strerror}; name a file to write to") from None
