"""What `evo-bnas profile` prints: where the time of a network goes."""

from dataclasses import asdict
from typing import Any

from evo_bnas.cli.console import print_table, say
from evo_bnas.machine import processor
from evo_bnas.run.profile import Profile


def print_profile(found: Profile) -> None:
    """Every node with its time, the network's latency, and the picture."""
    rows = [[node.name, node.kind, f"{node.ms:.4f}", f"{100 * node.share:.1f} %"] for node in found.nodes]
    print_table(["node", "step", "ms", "share"], rows, left=["node", "step"])
    whole = found.latency
    say(
        f"\nlatency {whole.ms:.4g} ms: the median of {whole.runs} runs of one image on one thread; "
        f"half of such medians lie within {100 * whole.spread:.1f} %\n"
        f"host    {processor()}\n"
        f"network {found.key}\n"
        f"figure  {found.plot}"
    )


def row(found: Profile) -> dict[str, Any]:
    """A profile as JSON values."""
    return {
        "key": found.key,
        "latency_ms": found.latency.ms,
        "spread": found.latency.spread,
        "runs": found.latency.runs,
        "cpu": processor(),
        "nodes": [asdict(node) for node in found.nodes],
        "figure": str(found.plot),
    }
