"""evo-bnas: multi-objective evolutionary search for 1-bit convolutional networks.

    from evo_bnas.run.pipeline import run_all
    from evo_bnas.run.retrain import retrain
    from evo_bnas.run.start import start

    run = start("digits")                            # a new run, or the one in runs/out/digits
    results = run_all(run)                           # train, search, pick, retrain; resumes after a kill
    results.frame                                    # every scored network, a pandas DataFrame
    picked = results.pick({"ops": 20_000})           # a pick within other limits
    retrain(run, keys=[picked.key]).cards[0]         # accuracies, cost, files

    evo-bnas export digits                           # writes packed.safetensors; without torch, anywhere:
    network = evo_bnas.load_packed("packed.safetensors")
    network.predict(images)                          # raw pixels (images, channels, height, width), NumPy

Results of a finished run: `evo_bnas.run.results`. Spaces: `evo_bnas.space.catalogue`. Costs:
`evo_bnas.network.cost`. Trained networks: `evo_bnas.binary.network.load_network`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evo_bnas.packed.file import load_packed as load_packed


def __getattr__(name: str) -> Any:
    """Import public names when they are first used."""
    if name == "load_packed":
        from evo_bnas.packed.file import load_packed

        return load_packed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
