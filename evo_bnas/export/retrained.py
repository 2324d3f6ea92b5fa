"""The retrained picks of a run, ready to be exported."""

from evo_bnas.errors import UsageError
from evo_bnas.network import card
from evo_bnas.network.card import Card
from evo_bnas.packed.file import Header, PackedNetwork
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results


def choose(run: Run, key: str | None) -> str:
    """The key of a retrained pick: the one asked for, the only one, or the recipe's first pick.

    Raises UsageError where it is not retrained, or where it is unclear which is meant.
    """
    done = sorted(path.parent.name for path in run.picks.glob(f"*/{card.FILE}"))
    if key in done:
        return str(key)
    if key or not done:
        what = f"{key} is not retrained" if key else "no network is retrained yet"
        again = f"evo-bnas retrain {run.folder}" + (f" {key}" if key else "")
        raise UsageError(
            f"{run.folder}: {what}; run {again}" + (f", or choose {', '.join(done)}" if done else "")
        )
    if len(done) == 1:
        return done[0]
    best = next((picked for picked in Results.of(run).pick().order if picked in done), None)
    if best is None:
        raise UsageError(
            f"{run.folder}: none of the retrained networks is the pick; name one of {', '.join(done)}"
        )
    return best


def load(run: Run, key: str) -> PackedNetwork:
    """A retrained pick in its inference form; raises UsageError where its files are damaged or changed."""
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
