"""What `evo-bnas export` prints."""

from evo_bnas.cli.console import say, show_objective
from evo_bnas.export.exported import Exported
from evo_bnas.network.cost import cost
from evo_bnas.packed.file import PackedNetwork

_NAMED = 10  # classes that are named


def print_export(network: PackedNetwork, written: Exported) -> None:
    """The network, the files, and how large they are."""
    header, counted = network.header, cost(network.blueprint)
    top1 = show_objective("error", header.test_error)
    classes = ", ".join(network.classes[:_NAMED]) + (", …" if len(network.classes) > _NAMED else "")
    say(
        f"network {header.key}, {top1} on the test images of {header.data}\n"
        f"classes {len(network.classes)}: {classes}\n"
        f"counted size {show_objective('size_bits', counted.size_bits)}, "
        f"memory {show_objective('peak_activation_bytes', counted.peak_activation_bytes)}"
    )
    for path in written.files:
        say(f"wrote   {path}  {path.stat().st_size:,} bytes")
    say("needs   " + ", ".join(f"{size:,} bytes of {what}" for what, size in written.sizes.items()))
