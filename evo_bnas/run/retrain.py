"""The last stage: train the picked networks, in parallel if there are workers, with the same results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from evo_bnas.archive.score import Score
from evo_bnas.binary.network import Network, save_network
from evo_bnas.cluster.access import check_worker_resources
from evo_bnas.data.dataset import Dataset, Images
from evo_bnas.evaluate.supernet import correctly_classified, error_of
from evo_bnas.files import weights_file
from evo_bnas.files.atomic import write_bytes
from evo_bnas.network import card
from evo_bnas.network.card import Card, cost_values
from evo_bnas.progress import Report, silent
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.network_training import NetworkTraining
from evo_bnas.run.outcomes import RetrainedNetworks
from evo_bnas.run.results import Results
from evo_bnas.run.trained import trained_networks
from evo_bnas.space.genes import Architecture
from evo_bnas.train.checkpoint import Checkpoint


def retrain(
    run: Run, report: Report = silent, keys: Sequence[str] | None = None, results: Results | None = None
) -> RetrainedNetworks:
    """Train networks, unless that is done; by default those that the recipe picks. Writes `trained.csv`.

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
        results = results or Results.of(run)
        keys = results.to_retrain()
    networks = [run.space.named(key) for key in keys]
    missing = [network for network in networks if not _done(run, network)]
    if missing:
        scores = results.archive.scored if results else []
        errors = {proposal.key: score.objectives["error"] for proposal, score in scores}
        _train_all(run, missing, errors, parallel=len(keys) > 1, report=report)
    cards = [Card.read(run.pick_folder(network.key) / card.FILE) for network in networks]
    trained = trained_networks(run)
    write_bytes(run.trained_csv, trained.to_csv(index=False).encode())
    if results is not None:
        results.write()
    return RetrainedNetworks(run, cards, trained)


def _done(run: Run, network: Architecture) -> bool:
    """Whether a network is trained with every seed."""
    file = run.pick_folder(network.key) / card.FILE
    return file.exists() and len(Card.read(file).test_errors) >= run.recipe.retrain.seeds


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
        """Train a network with every seed, from its last checkpoint, unless it is done; returns its card.

        Its weights are those of the first seed: of several, the best on the test split would be a choice by
        it. Raises UsageError if another process trains it.
        """
        run, key = self.run, architecture.key
        folder = run.pick_folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        with run.lock(folder):
            torch.set_num_threads(self.threads)
            file = folder / card.FILE
            done = Card.read(file) if file.exists() else self._train_first(architecture, folder)
            for seed in range(run.recipe.seed + len(done.test_errors), run.recipe.seed + self.seeds):
                network, _, checkpoints = self._trained(architecture, seed)
                errors = (*done.test_errors, self._test(network, self.images.test))
                done = done.model_copy(update={"test_errors": errors})
                done.write(file)
                for checkpoint in checkpoints:
                    checkpoint.remove()
        return done

    @property
    def seeds(self) -> int:
        """Trainings of each network."""
        return self.run.recipe.retrain.seeds

    def _train_first(self, architecture: Architecture, folder: Path) -> Card:
        """Train a network with the first seed, and write its weights and its card."""
        run, key = self.run, architecture.key
        network, inherited, checkpoints = self._trained(architecture, run.recipe.seed)
        save_network(network, folder / card.WEIGHTS, {"key": key, "space": run.space.name})
        test_error = self._test(network, self.images.test)
        done = Card(
            key=key,
            space=run.space.name,
            test_error=test_error,
            test_errors=(test_error,),
            inherited_test_error=inherited,
            supernet_search_error=self.errors.get(key),
            weights=weights_file.fingerprint(folder / card.WEIGHTS),
            recipe=run.recipe.hash,
            retrain=run.recipe.retrain.model_dump(by_alias=True),
            seed=run.recipe.seed,
            data=self.images.card(),
            cost=cost_values(run.space.cost(architecture)),
            blueprint=run.space.draw(architecture).to_rows(),
        )
        done.write(folder / card.FILE)
        for checkpoint in checkpoints:
            checkpoint.remove()
        return done

    def _trained(
        self, architecture: Architecture, seed: int
    ) -> tuple[Network, float | None, list[Checkpoint]]:
        """A trained network, its test error before that with inherited weights, and its checkpoints."""
        run, key = self.run, architecture.key
        images = self.images.to(inputs.device(run))
        training = NetworkTraining(run, run.recipe.retrain, seed)
        network = training.untrained(architecture, images.train)
        inherited = self._test(network, images.test) if network.calibrated else None
        both = images.train.join(images.search)
        name = key if seed == run.recipe.seed else f"{key}-seed{seed}"
        checkpoints = training.train(network, name, both, self.reporter(name))
        return network, inherited, checkpoints

    def _test(self, network: Network, images: Images) -> float:
        images = images.to(inputs.device(self.run))
        return error_of(
            correctly_classified(network.eval(), images, images.y, self.run.recipe.evaluate.batch)
        )

    def reporter(self, name: str) -> Report:
        """Where the progress of a training is reported."""
        if not self.named and self.seeds == 1:
            return self.report
        return lambda step: self.report(replace(step, stage=f"{step.stage}, {name}"))
