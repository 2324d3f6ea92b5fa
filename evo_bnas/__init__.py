"""evo-bnas: multi-objective evolutionary search for 1-bit convolutional networks.

    from evo_bnas import findings, workflow

    run = workflow.run("digits")                   # train, search, pick, retrain; goes on where it was
    table = findings.archive(run)                  # every scored network, a pandas DataFrame
    chosen = findings.choose(run, {"ops": 20_000})  # a pick under other limits
    card = workflow.retrain(run, chosen.key)       # trained to the end: accuracies, cost, files

    evo-bnas export digits                         # writes packed.safetensors; on any machine, without torch:
    network = evo_bnas.load_packed("packed.safetensors")
    network.predict(images)                        # raw pixels (images, channels, height, width), NumPy

Spaces are in `evo_bnas.space.catalogue`, costs in `evo_bnas.cost`, trained networks are read by
`evo_bnas.binary.network.load_network`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evo_bnas.packed.file import load_packed as load_packed


def __getattr__(name: str) -> Any:
    """Public names that are imported when they are first asked for."""
    if name == "load_packed":
        from evo_bnas.packed.file import load_packed

        return load_packed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
