"""Train networks alone, with several seeds, and write their errors as a table.

The table serves explorers as known scores (`evo_bnas/evaluate/table.py`) and other studies as the truth. A
row is written as soon as its trainings are done, and the same command adds the rows that are missing: a table
can be committed before it is complete, and continued later.
"""

from argparse import ArgumentParser, Namespace
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.shared import small_images
from analysis.shared.error_table import ErrorTable
from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.archive.ranking import between_seeds, tau
from evo_bnas.binary.network import Network
from evo_bnas.data.dataset import Dataset, Images, load
from evo_bnas.data.settings import DataSettings
from evo_bnas.evaluate.supernet import correctly_classified, error_of
from evo_bnas.files.atomic import file_name
from evo_bnas.files.shipped import shipped
from evo_bnas.search.design import spread
from evo_bnas.search.problem import Problem
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.network import train_network
from evo_bnas.train.randomness import Stream, torch_seed
from evo_bnas.train.settings import AugmentationSettings, TrainingSettings
from evo_bnas.train.stage import TrainingStage

_BATCH = 128  # of calibration and scoring
_BANDS = 3  # of equal numbers of networks, by ops


@dataclass(frozen=True)
class Training:
    """What is trained, on what, and how."""

    space: Space
    data: DataSettings
    stage: TrainingStage
    unseen: tuple[str, ...]  # the parts on which errors are measured
    checkpoints: Path

    @cached_property
    def dataset(self) -> Dataset:
        return load(self.data, seed=0)

    @cached_property
    def test(self) -> Images:
        """Images that no training sees."""
        parts: list[Images] = [getattr(self.dataset, name) for name in self.unseen]
        return reduce(Images.join, parts)

    def errors(self, key: str, seeds: int) -> list[float]:
        """The error of a network with each seed."""
        torch.set_num_threads(1)  # small maps are too small to share
        architecture = self.space.parse(key)
        networks = (self._trained(architecture, seed) for seed in range(seeds))
        return [error_of(correctly_classified(one, self.test, self.test.y, _BATCH)) for one in networks]

    def _trained(self, architecture: Architecture, seed: int) -> Network:
        """A network trained from scratch or from its checkpoint, and calibrated."""
        network = Network(self.space.draw(architecture), seed=torch_seed(seed, Stream.WEIGHTS))
        file = self.checkpoints / f"{file_name(f'seed{seed}-{architecture.key}')}.safetensors"
        checkpoint = Checkpoint(file)
        train_network(network, self.dataset.train, replace(self.stage, seed=seed), checkpoint=checkpoint)
        checkpoint.remove()
        network.set_statistics(calibrate(network.run, self.dataset.train, _BATCH))
        return network.eval()

    def protocol(self) -> dict[str, Any]:
        """How errors are measured, as JSON values."""
        return {
            "space": self.space.name,
            "space_hash": self.space.hash,
            "genes": [gene.name for gene in self.space.genes],
            "data": self.dataset.card().model_dump(mode="json"),
            "errors": f"fraction of wrong answers on {' and '.join(self.unseen)}, which no training saw",
            "images": len(self.test),
            "training": self.stage.settings.model_dump(mode="json")
            | self.stage.augment.model_dump(mode="json")
            | {"seed": "the number in the column's name"},
            "torch": torch.__version__.partition("+")[0],
        }


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--space", help="(default: elastic-16 for CIFAR-10, tiny-8 for the digits)")
    parser.add_argument("--networks", type=int, help="spread over the ops (default: all of the space)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of a network (default %(default)s)")
    parser.add_argument("--images", type=Path, help="folder of CIFAR-10 (default: the digits)")
    parser.add_argument("--epochs", type=int, default=40, help="(default %(default)s)")
    parser.add_argument("--name", help="of the table (default: that of the space)")
    parser.add_argument("--processes", type=int, default=1, help="that train at once (default %(default)s)")
    parser.add_argument("--out", type=Path, default=shipped("tables"), help="folder of the table")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Train what the table does not hold yet, and summarise its errors."""
    training = _training(options, parts.folder)
    space = training.space
    file = ErrorTable(options.out / f"{options.name or space.name}.csv", space, options.seeds)
    errors = file.open(training.protocol())
    if options.networks is None:
        networks = list(space.enumerate())
    else:
        networks = spread(Problem(space, ("error", "ops")), options.networks, seed=0)
    missing = [network for network in networks if file.options(network) not in errors]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(training.errors, one.key, options.seeds): one for one in missing}
        try:
            for done in as_completed(running):
                errors[file.options(running[done])] = done.result()
                file.write(networks, errors)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # otherwise all networks would still be trained
            raise
    rows = [(space.costs(one)["ops"], errors[file.options(one)]) for one in networks]
    figures = summary(np.array([ops for ops, _ in rows]), np.array([own for _, own in rows]))
    return {"space": space.name} | figures


def _training(options: Namespace, folder: Path) -> Training:
    settings = TrainingSettings(epochs=options.epochs, batch=64, lr=1e-2)
    unseen: tuple[str, ...] = ("test",)
    if options.images:
        data, name = small_images.write(options.images, folder / "images"), "elastic-16"
        stage = TrainingStage("alone", settings, 0, AugmentationSettings(flip=True))
    else:
        data, name, unseen = DataSettings(name="digits"), "tiny-8", ("search", "test")  # few test images
        stage = TrainingStage("alone", settings, 0)
    dataset = load(data, seed=0)
    space = catalogue.load(options.space or name).fit(dataset.image, len(dataset.classes))
    return Training(space, data, stage, unseen, folder)


def summary(ops: np.ndarray, errors: np.ndarray) -> dict[str, Any]:
    """The range of the errors (networks, seeds), their spread in bands of ops, and the noise of seeds."""
    means = errors.mean(axis=1)
    deviation = float(np.sqrt(errors.var(axis=1, ddof=1).mean())) if errors.shape[1] > 1 else None
    bands = np.array_split(np.argsort(ops, kind="stable"), _BANDS)
    return {
        "networks": errors.shape[0],
        "seeds": errors.shape[1],
        "lowest_error": float(means.min()),
        "highest_error": float(means.max()),
        "seed_deviation": deviation,
        "tau_of_ops": tau(-ops, means),
        "tau_between_seeds": between_seeds(errors.T),
        "bands": [
            {
                "min_ops": float(ops[band].min()),
                "max_ops": float(ops[band].max()),
                "lowest_error": float(means[band].min()),
                "highest_error": float(means[band].max()),
                "deviation": float(means[band].std(ddof=1)),
            }
            for band in bands
            if len(band) > 1
        ],
    }


def render(result: Result) -> str:
    """One row for all networks, and one for each band of ops."""
    figures = result.figures
    deviation = figures["seed_deviation"]
    columns = ["networks", "ops", "lowest mean error", "highest", "deviation of networks"]
    rows = [
        [
            "a third",
            f"{band['min_ops']:,.0f} to {band['max_ops']:,.0f}",
            *(percent(band[name], 1) for name in ("lowest_error", "highest_error", "deviation")),
        ]
        for band in figures["bands"]
    ]
    return (
        f"{figures['networks']} networks of `{figures['space']}`, {figures['seeds']} "
        f"trainings each: mean errors of {percent(figures['lowest_error'], 1)} to "
        f"{percent(figures['highest_error'], 1)}"
        + ("" if deviation is None else f"; deviation between seeds {percent(deviation, 2)}")
        + f". Ops alone rank them with tau {figures['tau_of_ops']:.2f}"
        + (
            ""
            if figures["tau_between_seeds"] is None
            else f", and two trainings agree with tau {figures['tau_between_seeds']:.2f}"
        )
        + f".\n\n{table(columns, rows)}"
    )


STUDY = Study(
    about=__doc__,
    section="Tables of binary networks trained alone",
    minutes=150,
    measure=measure,
    render=render,
    options=options,
    threads=2,
)
