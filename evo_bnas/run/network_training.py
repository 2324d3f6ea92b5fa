"""How single networks of a run are trained: picked ones, ones to confirm, and ones to measure a ranking.

What trains here can be pickled, so that workers can train several networks in parallel.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from evo_bnas.binary.network import Network
from evo_bnas.data.dataset import Images
from evo_bnas.evaluate.standalone import StandaloneEvaluator
from evo_bnas.files import weights_file
from evo_bnas.files.atomic import file_name
from evo_bnas.files.yaml_file import validate
from evo_bnas.progress import Report, silent
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import load_supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.network import train_network
from evo_bnas.train.randomness import Stream, torch_seed
from evo_bnas.train.settings import RetrainSettings


@dataclass(frozen=True, slots=True)
class NetworkTraining:
    """How a single network of a run is trained."""

    run: Run
    settings: RetrainSettings
    seed: int

    def untrained(self, architecture: Architecture, images: Images) -> Network:
        """The network before its training: with weights of the supernet, or with fresh ones."""
        run = self.run
        if self.settings.source == "scratch":
            fresh = Network(run.space.draw(architecture), seed=torch_seed(self.seed, Stream.WEIGHTS))
            return fresh.to(inputs.device(run))
        supernet = load_supernet(run.space, run.supernet_file).to(inputs.device(run))
        forward = partial(supernet, architecture=architecture)
        statistics = calibrate(forward, images, run.recipe.evaluate.batch)
        return supernet.extract(architecture, statistics)

    def train(self, network: Network, name: str, images: Images, report: Report) -> list[Checkpoint]:
        """Train and calibrate a network in place; returns its checkpoints, to be removed by the caller."""
        run, checkpoints = self.run, []
        for stage in inputs.stages(run, "retrain", self.settings):
            checkpoint = Checkpoint(run.checkpoint / f"{name}-{stage.mode.weights}.safetensors")
            train_network(
                network, images, replace(stage, seed=self.seed), checkpoint=checkpoint, report=report
            )
            checkpoints.append(checkpoint)
        network.set_statistics(calibrate(network.run, images, run.recipe.evaluate.batch))
        network.eval()
        return checkpoints


def short_training(
    run: Run,
    source: Literal["supernet", "scratch"],
    epochs: int | None,
    seed: int,
    *,
    min_steps: int = 0,
) -> StandaloneEvaluator:
    """An evaluator that trains each architecture, from these weights, otherwise as the recipe retrains.

    Networks learn from the train split alone and are scored on the search split, as with the supernet.
    Without `epochs` they are trained for as long as the recipe retrains, otherwise for at least `min_steps`.
    Raises UsageError if the recipe's training cannot be that short.
    """
    images = inputs.images(run)
    changes = {"from": source} | ({"epochs": epochs, "min_steps": min_steps} if epochs else {})
    if source == "supernet":
        changes |= {"real_epochs": 0, "warm_up": 0}  # the weights are trained already
    content = run.recipe.retrain.model_dump(by_alias=True) | changes
    settings = validate(RetrainSettings, content, "epochs")
    absolute = replace(run, folder=run.folder.absolute())  # workers have another working directory
    inherited = {} if source == "scratch" else {"from": weights_file.fingerprint(run.supernet_file)}
    return StandaloneEvaluator(
        run.space,
        partial(_trained, NetworkTraining(absolute, settings, seed), images.train),
        search=images.search,
        protocol=inputs.protocol(run, images, images.train.pixels),
        training={
            **settings.model_dump(mode="json", exclude={"source", "networks", "seeds"}),
            **run.recipe.supernet.model_dump(mode="json", include={"sign_gradient", "sign_clip", "augment"}),
            "precision": run.compute.precision,
            "seed": seed,
            **inherited,
        },
    )


def _trained(training: NetworkTraining, images: Images, architecture: Architecture, protocol: str) -> Network:
    """A network trained and calibrated on the train part; the protocol names its checkpoints."""
    images = images.to(inputs.device(training.run))
    # The statistics before the training are not used, so few images are enough.
    network = training.untrained(architecture, images.first(training.run.recipe.evaluate.batch))
    name = file_name(f"short-{protocol}-{architecture.key}")
    for checkpoint in training.train(network, name, images, silent):
        checkpoint.remove()
    return network
