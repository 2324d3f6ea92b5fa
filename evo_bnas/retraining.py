"""Networks that are trained one by one: picked ones to their end, and others alone, to be compared.

What trains here can be pickled: a cluster trains such networks side by side, as this process would.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from evo_bnas import card, plan
from evo_bnas.binary import weights_file
from evo_bnas.binary.network import Network, save_network
from evo_bnas.card import Card
from evo_bnas.data.dataset import Dataset, Images
from evo_bnas.durable import file_name
from evo_bnas.evaluate.evaluators import classified, error_of
from evo_bnas.evaluate.standalone import StandAlone
from evo_bnas.progress import Report, silent
from evo_bnas.recipe import Retrain
from evo_bnas.results.journal import read
from evo_bnas.run import Run
from evo_bnas.score import Score
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import load_supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.randomness import Stream, torch_seed
from evo_bnas.train.retrain import retrain
from evo_bnas.yaml_file import validate


@dataclass(frozen=True, eq=False)
class Retraining:
    """Trains networks of a run to the end, into the run's folder.

    As an evaluator it gives the error on the test split; what counts is the card that it leaves.
    """

    run: Run
    images: Dataset
    report: Report
    threads: int
    named: bool  # whether reports name the network, since there are several

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        cards = [self.train(architecture) for architecture in architectures]
        return [Score("ok", {"error": done["test_error"]}, weights=done["weights"]) for done in cards]

    def train(self, architecture: Architecture) -> Card:
        """Train a network from its last checkpoint on, unless it is done; its card.

        Raises UsageError where another process trains it.
        """
        run, key = self.run, architecture.key
        folder = run.pick_folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        with run.lock(folder):
            if (folder / card.FILE).exists():
                return card.read(folder / card.FILE)
            torch.set_num_threads(self.threads)
            images = self.images.to(plan.device(run))
            network = _untrained(run, architecture, images.train)
            inherited = _test(run, network, images.test) if network.calibrated else None
            learnt = images.train.join(images.search)
            checkpoints = _train_in_stages(run, network, key, learnt, self._reporting(key))
            save_network(network, folder / card.WEIGHTS, {"key": key, "space": run.space.name})
            done: Card = {
                "key": key,
                "space": run.space.name,
                "test_error": _test(run, network, images.test),
                "inherited_test_error": inherited,
                "supernet_search_error": _error_found(run, key),
                "weights": weights_file.fingerprint(folder / card.WEIGHTS),
                "recipe": run.recipe.hash,
                "retrain": run.recipe.retrain.model_dump(by_alias=True),
                "seed": run.recipe.seed,
                "data": images.about(),
                "cost": card.cost_rows(run.space.cost(architecture)),
                "blueprint": run.space.draw(architecture).to_rows(),
            }
            card.write(folder / card.FILE, done)
            for checkpoint in checkpoints:
                checkpoint.remove()
        return done

    def _reporting(self, key: str) -> Report:
        if not self.named:
            return self.report
        return lambda step: self.report(replace(step, stage=f"{step.stage}, {key}"))


def stand_alone(run: Run, epochs: int | None, seed: int) -> StandAlone:
    """What scores architectures of a run by training each from scratch, otherwise as the recipe retrains.

    It learns from the train part alone and is scored on the search part, as the supernet is. Raises
    UsageError where the recipe's training cannot be that short.
    """
    images = plan.images(run)
    changes = {"from": "scratch"} | ({"epochs": epochs} if epochs else {})
    asked = validate(Retrain, run.recipe.retrain.model_dump(by_alias=True) | changes, "--epochs")
    recipe = run.recipe.model_copy(update={"retrain": asked, "seed": seed})
    own = replace(run, folder=run.folder.absolute(), recipe=recipe)  # workers stand in another folder
    return StandAlone(
        run.space,
        partial(_trained_alone, own, images.train),
        search=images.search,
        conditions=plan.conditions(run, images, images.train.pixels),
        training={
            **asked.model_dump(mode="json", exclude={"source", "top"}),
            **run.recipe.supernet.model_dump(mode="json", include={"sign_gradient", "sign_clip", "augment"}),
            "precision": run.compute.precision,
            "seed": seed,
        },
    )


def _trained_alone(run: Run, images: Images, architecture: Architecture, protocol: str) -> Network:
    """A network trained and calibrated on the train part; its checkpoints name the protocol."""
    images = images.to(plan.device(run))
    network = _untrained(run, architecture, images)
    name = file_name(f"stand-alone-{protocol}-{architecture.key}")
    for checkpoint in _train_in_stages(run, network, name, images, silent):
        checkpoint.remove()
    return network


def _untrained(run: Run, architecture: Architecture, images: Images) -> Network:
    """The network as its training finds it: with weights of the supernet, or with fresh ones."""
    if run.recipe.retrain.source == "scratch":
        fresh = Network(run.space.draw(architecture), seed=torch_seed(run.recipe.seed, Stream.WEIGHTS))
        return fresh.to(plan.device(run))
    supernet = load_supernet(run.space, run.supernet_file).to(plan.device(run))
    forward = partial(supernet, architecture=architecture)
    statistics = calibrate(forward, images, run.recipe.evaluate.batch)
    return supernet.extract(architecture, statistics)


def _train_in_stages(
    run: Run, network: Network, key: str, images: Images, report: Report
) -> list[Checkpoint]:
    """Real weights first where the recipe says so, then binary; the checkpoints that may now go."""
    checkpoints = []
    for weights, schedule in plan.stages(run, run.recipe.retrain):
        checkpoint = Checkpoint(run.checkpoint / f"{key}-{weights}.safetensors")
        retrain(
            network,
            images,
            schedule,
            stage=f"retrain, {weights} weights",
            mode=plan.mode(run, weights),
            precision=run.compute.precision,
            checkpoint=checkpoint,
            report=report,
        )
        checkpoints.append(checkpoint)
    network.set_statistics(calibrate(network.run, images, run.recipe.evaluate.batch))
    network.eval()
    return checkpoints


def _test(run: Run, network: Network, images: Images) -> float:
    return error_of(classified(network.eval(), images, images.y, run.recipe.evaluate.batch))


def _error_found(run: Run, key: str) -> float | None:
    """The search error that the supernet gave this network, if the search met it."""
    met = read(run.journal_file).scored if run.journal_file.exists() else []
    return next((score.objectives["error"] for proposal, score in met if proposal.key == key), None)
