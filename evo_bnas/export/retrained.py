"""The retrained networks of a run, as input of an export."""

from evo_bnas.errors import UsageError
from evo_bnas.network import card
from evo_bnas.network.card import Card
from evo_bnas.packed.file import Header, PackedNetwork
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results


def choose(run: Run, key: str | None) -> str:
    """The given key; without one, the only retrained network, or the recipe's first pick that is retrained.

    Raises UsageError if the key is not of the space, if its network is not retrained, or if none of several
    retrained networks is the pick.
    """
    retrained = sorted(path.parent.name for path in run.picks.glob(f"*/{card.FILE}"))
    if key in retrained:
        return str(key)
    if key:
        run.space.named(key)
    if key or not retrained:
        problem = f"{key} is not retrained" if key else "no network is retrained yet"
        command = f"evo-bnas retrain {run.folder}" + (f" {key}" if key else "")
        others = f", or choose {', '.join(retrained)}" if retrained else ""
        raise UsageError(f"{run.folder}: {problem}; run {command}{others}")
    if len(retrained) == 1:
        return retrained[0]
    best = next((picked for picked in Results.of(run).pick().order if picked in retrained), None)
    if best is None:
        raise UsageError(
            f"{run.folder}: none of the retrained networks is the pick; choose one of {', '.join(retrained)}"
        )
    return best


def load(run: Run, key: str) -> PackedNetwork:
    """A retrained network in packed form; raises UsageError if its files are damaged or were changed."""
    from evo_bnas.binary.network import load_network
    from evo_bnas.files import weights_file
    from evo_bnas.packed.compile import forms_of_network

    folder = run.pick_folder(key)
    about = Card.read(folder / card.FILE)
    weights = folder / card.WEIGHTS
    network = load_network(weights)
    if weights_file.fingerprint(weights) != about.weights:
        raise UsageError(f"{weights}: does not match {card.FILE}; delete both and retrain")
    header = Header(
        key=about.key,
        space=about.space,
        blueprint=network.blueprint.nodes,
        data=about.data.name,
        classes=about.data.classes,
        mean=about.data.mean,
        std=about.data.std,
        white=about.data.white,
        test_error=about.test_error,
    )
    return PackedNetwork(header, forms_of_network(network))
