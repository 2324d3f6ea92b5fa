"""Export to a safetensors file of 1-bit weights, which `evo_bnas.load_packed` runs without torch."""

from pathlib import Path
from shlex import quote

from evo_bnas.export.exported import Exported
from evo_bnas.packed.file import PackedNetwork, save_packed


def export_packed(network: PackedNetwork, path: Path) -> Exported:
    """Write the file."""
    save_packed(network, path)
    return Exported((path,), {"weights": network.payload}, f"evo-bnas predict {quote(str(path))} IMAGE...")
