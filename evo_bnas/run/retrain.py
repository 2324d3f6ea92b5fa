"""The last stage: train the picked networks, in parallel if there are workers, with the same results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from evo_bnas.archive.score import Score
from evo_bnas.binary.network import Network, save_network
from evo_bnas.cluster.access import check_worker_resources
from evo_bnas.data.dataset import Dataset, Images
from evo_bnas.evaluate.supernet import correctly_classified, error_of
from evo_bnas.files import weights_file
from evo_bnas.network import card
from evo_bnas.network.card import Card, cost_values
from evo_bnas.progress import Report, silent
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.network_training import NetworkTraining
from evo_bnas.run.outcomes import RetrainedNetworks
from evo_bnas.run.results import Results
from evo_bnas.space.genes import Architecture


def retrain(
    run: Run, report: Report = silent, keys: Sequence[str] | None = None, results: Results | None = None
) -> RetrainedNetworks:
    """Train networks, unless that is done; by default those that the recipe picks.

    They learn from the train and the search split together, since the search is over; the test split is used
    for the card alone and decides nothing. With workers they are trained in parallel; if one of them fails,
    the others are still finished, and ClusterError is raised after that. Raises UsageError if a key is not
    of the space, if the run has no supernet to start from, or if workers are not available.
    """
    if run.recipe.retrain.source == "supernet":
        run.need_supernet()
    if results is None and run.journal_file.exists():
        results = Results.of(run)
    if keys is None:
        keys = (results or Results.of(run)).pick().order[: run.recipe.retrain.networks]
    networks = [run.space.named(key) for key in keys]
    cards = [run.pick_folder(network.key) / card.FILE for network in networks]
    missing = [network for network, file in zip(networks, cards, strict=True) if not file.exists()]
    if missing:
        scores = results.archive.scored if results else []
        errors = {proposal.key: score.objectives["error"] for proposal, score in scores}
        _train_all(run, missing, errors, parallel=len(keys) > 1, report=report)
    return RetrainedNetworks(run, [Card.read(file) for file in cards])


def _train_all(
    run: Run, networks: Sequence[Architecture], errors: Mapping[str, float], *, parallel: bool, report: Report
) -> None:
    engine = run.recipe.engine.at_most(len(networks))
    run = replace(run, folder=run.folder.absolute())  # workers have another working directory
    trainer = partial(
        Retraining,
        run,
        inputs.images(run),
        errors,
        threads=run.compute.worker_threads if parallel else run.compute.threads,
        named=parallel,
    )
    if engine.distributed:
        check_worker_resources(engine, run.compute.device)
        from evo_bnas.cluster.parallel import train_in_parallel  # Ray, a second

        train_in_parallel(trainer, networks, engine, folder=run.folder, report=report)
    else:
        for network in networks:
            trainer(report).train(network)


@dataclass(frozen=True, eq=False)
class Retraining:
    """Trains networks of a run into its folder.

    Used as an evaluator it returns the error on the test split; the result is the card.
    """

    run: Run
    images: Dataset
    errors: Mapping[str, float]  # of the search, by key
    report: Report
    threads: int
    named: bool  # whether reports name the network

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        cards = [self.train(architecture) for architecture in architectures]
        return [Score("ok", {"error": done.test_error}, weights=done.weights) for done in cards]

    def train(self, architecture: Architecture) -> Card:
        """Train a network from its last checkpoint, unless it is done; returns its card.

        Raises UsageError if another process trains it.
        """
        run, key = self.run, architecture.key
        folder = run.pick_folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        with run.lock(folder):
            if (folder / card.FILE).exists():
                return Card.read(folder / card.FILE)
            torch.set_num_threads(self.threads)
            images = self.images.to(inputs.device(run))
            training = NetworkTraining(run, run.recipe.retrain, run.recipe.seed)
            network = training.untrained(architecture, images.train)
            inherited = self._test(network, images.test) if network.calibrated else None
            both = images.train.join(images.search)
            checkpoints = training.train(network, key, both, self.reporter(key))
            save_network(network, folder / card.WEIGHTS, {"key": key, "space": run.space.name})
            done = Card(
                key=key,
                space=run.space.name,
                test_error=self._test(network, images.test),
                inherited_test_error=inherited,
                supernet_search_error=self.errors.get(key),
                weights=weights_file.fingerprint(folder / card.WEIGHTS),
                recipe=run.recipe.hash,
                retrain=run.recipe.retrain.model_dump(by_alias=True),
                seed=run.recipe.seed,
                data=images.card(),
                cost=cost_values(run.space.cost(architecture)),
                blueprint=run.space.draw(architecture).to_rows(),
            )
            done.write(folder / card.FILE)
            for checkpoint in checkpoints:
                checkpoint.remove()
        return done

    def _test(self, network: Network, images: Images) -> float:
        return error_of(
            correctly_classified(network.eval(), images, images.y, self.run.recipe.evaluate.batch)
        )

    def reporter(self, key: str) -> Report:
        """Where the progress of a network is reported."""
        if not self.named:
            return self.report
        return lambda step: self.report(replace(step, stage=f"{step.stage}, {key}"))
