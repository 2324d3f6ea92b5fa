"""What `evo-bnas profile` prints: where the time of a network goes."""

from dataclasses import asdict
from typing import Any

from evo_bnas.cli.console import print_table, say
from evo_bnas.machine import processor
from evo_bnas.run.profile import Profile


def print_profile(profile: Profile) -> None:
    """The time of every node, the latency of the network, and the figure."""
    rows = [[node.name, node.kind, f"{node.ms:.4f}", f"{100 * node.share:.1f} %"] for node in profile.nodes]
    print_table(["node", "step", "ms", "share"], rows, left=["node", "step"])
    latency = profile.latency
    say(
        f"\nlatency {latency.ms:.4g} ms: the median of {latency.runs} runs of one image on one thread; "
        f"interquartile range of such medians {100 * latency.spread:.1f} %\n"
        f"host    {processor()}\n"
        f"network {profile.key}\n"
        f"figure  {profile.plot}"
    )


def row(profile: Profile) -> dict[str, Any]:
    """A profile as JSON values."""
    return {
        "key": profile.key,
        "latency_ms": profile.latency.ms,
        "spread": profile.latency.spread,
        "runs": profile.latency.runs,
        "cpu": processor(),
        "nodes": [asdict(node) for node in profile.nodes],
        "figure": str(profile.plot),
    }
