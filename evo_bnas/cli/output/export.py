"""What `evo-bnas export` prints."""

from evo_bnas.cli.console import say, show_objective
from evo_bnas.export.exported import Exported
from evo_bnas.network.cost import cost
from evo_bnas.packed.file import PackedNetwork

_NAMED = 10  # classes that are named


def print_export(network: PackedNetwork, exported: Exported) -> None:
    """The network, and the files with their sizes."""
    header, counted = network.header, cost(network.blueprint)
    top1 = show_objective("error", header.test_error)
    classes = ", ".join(network.classes[:_NAMED]) + (", …" if len(network.classes) > _NAMED else "")
    say(
        f"network {header.key}, {top1} on the test images of {header.data}\n"
        f"classes {len(network.classes)}: {classes}\n"
        f"counted size {show_objective('size_bits', counted.size_bits)}, "
        f"memory {show_objective('peak_activation_bytes', counted.peak_activation_bytes)}"
    )
    for path in exported.files:
        say(f"wrote   {path}  {path.stat().st_size:,} bytes")
    say("needs   " + ", ".join(f"{size:,} bytes of {what}" for what, size in exported.sizes.items()))
