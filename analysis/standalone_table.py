"""Train every network of a small space alone, with several seeds, and write the errors as a table.

The table serves explorers as known scores (`evo_bnas/evaluate/table.py`) and `supernet_ranking` as the truth.
"""

import csv
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.archive.journal import Journal
from evo_bnas.binary.network import Network
from evo_bnas.data.dataset import Dataset, Images, load
from evo_bnas.data.settings import DataSettings
from evo_bnas.evaluate.engine import InProcess
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.evaluate.standalone import StandaloneEvaluator
from evo_bnas.files.atomic import file_name, write_bytes
from evo_bnas.files.shipped import shipped
from evo_bnas.search.design import Design
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.network import train_network
from evo_bnas.train.randomness import Stream, torch_seed
from evo_bnas.train.settings import TrainingSettings
from evo_bnas.train.stage import TrainingStage

_BATCH = 128  # of calibration and scoring


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained, and how."""

    space: Space
    dataset: Dataset
    stage: TrainingStage

    @property
    def unseen(self) -> Images:
        """The search and the test part together, which no training sees."""
        return self.dataset.search.join(self.dataset.test)

    def errors(self, folder: Path) -> dict[str, float]:
        """The error of every network by key; what the folder's journal holds is not trained again."""
        seed = self.stage.seed
        networks = list(self.space.enumerate())
        protocol = EvaluationProtocol(
            data=self.dataset.fingerprint,
            images=len(self.unseen),
            calibration="train part",
            batch=_BATCH,
            threads=torch.get_num_threads(),
            device="cpu",
        )
        scorer = StandaloneEvaluator(
            self.space,
            partial(self._trained, folder),
            search=self.unseen,
            protocol=protocol,
            training=self.settings,
        )
        with Journal(folder / f"seed{seed}.jsonl", self.space) as journal:
            problem = Problem(self.space, ("error", "ops"))
            search(
                problem,
                Design(problem, networks),
                InProcess(scorer),
                journal,
                evaluations=len(networks),
                batch=1,
                seed=seed,
            )
            return {proposal.key: score.objectives["error"] for proposal, score in journal.archive.scored}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a training as JSON values."""
        return self.stage.settings.model_dump(mode="json") | {"seed": self.stage.seed}

    def _trained(self, folder: Path, architecture: Architecture, _: str) -> Network:
        """A network trained from scratch or from its checkpoint, and calibrated."""
        seed = self.stage.seed
        network = Network(self.space.draw(architecture), seed=torch_seed(seed, Stream.WEIGHTS))
        checkpoint = Checkpoint(folder / f"{file_name(f'seed{seed}-{architecture.key}')}.safetensors")
        train_network(network, self.dataset.train, self.stage, checkpoint=checkpoint)
        checkpoint.remove()
        network.set_statistics(calibrate(network.run, self.dataset.train, _BATCH))
        return network.eval()


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--space", default="tiny-8", help="a space that can be listed (default %(default)s)")
    parser.add_argument("--data", default="digits", help="(default %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of a network (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=40, help="(default %(default)s)")
    parser.add_argument("--out", type=Path, default=shipped("tables"), help="folder of the table")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Train, write the table, and summarise its errors."""
    torch.set_num_threads(1)  # maps of 8 x 8 are too small to share
    dataset = load(DataSettings(name=options.data), seed=0)
    space = catalogue.load(options.space).fit(dataset.image, len(dataset.classes))
    stage = TrainingStage("alone", TrainingSettings(epochs=options.epochs, batch=64, lr=1e-2), 0)
    task = Task(space, dataset, stage)
    by_seed = {
        seed: replace(task, stage=replace(stage, seed=seed)).errors(parts.folder)
        for seed in range(options.seeds)
    }
    options.out.mkdir(parents=True, exist_ok=True)
    _write(task, by_seed, options.out / f"{space.name}.csv")
    return _summary(by_seed)


def _write(task: Task, by_seed: Mapping[int, Mapping[str, float]], path: Path) -> None:
    """The table as CSV, and beside it its protocol as JSON."""
    networks = list(task.space.enumerate())
    genes = [f"gene_{i}" for i in range(len(task.space.genes))]
    seeds = [f"error_{seed}" for seed in by_seed]
    costs = list(task.space.costs(networks[0]))
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*genes, *seeds, *costs])
        for network in networks:
            active = task.space.active(network.genes)
            options = (
                gene.options[option] if on else ""
                for gene, option, on in zip(task.space.genes, network.genes, active, strict=True)
            )
            errors = [f"{own[network.key]:.6f}" for own in by_seed.values()]
            rows.writerow([*options, *errors, *task.space.costs(network).values()])
    protocol = {
        "space": task.space.name,
        "genes": [gene.name for gene in task.space.genes],
        "data": task.dataset.card().model_dump(mode="json"),
        "errors": "fraction of wrong answers on the search and test parts, which no training saw",
        "training": task.settings | {"seed": "the number in the column's name"},
        "torch": torch.__version__.partition("+")[0],
    }
    write_bytes(path.with_suffix(".json"), (json.dumps(protocol, indent=2) + "\n").encode())


def _summary(by_seed: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    """The range of the mean errors of networks, and the deviation of one network's errors over seeds."""
    errors = np.array([[own[key] for own in by_seed.values()] for key in by_seed[0]])
    means = errors.mean(axis=1)
    return {
        "networks": errors.shape[0],
        "seeds": errors.shape[1],
        "lowest_error": float(means.min()),
        "highest_error": float(means.max()),
        "seed_deviation": float(np.sqrt(errors.var(axis=1, ddof=1).mean())) if errors.shape[1] > 1 else None,
    }


def render(result: Result) -> str:
    """One row."""
    figures = result.figures
    deviation = figures["seed_deviation"]
    columns = ["space", "networks", "seeds", "lowest mean error", "highest", "deviation between seeds"]
    return table(
        columns,
        [
            [
                result.options["space"],
                *(f"{figures[name]}" for name in ("networks", "seeds")),
                *(percent(figures[name], 1) for name in ("lowest_error", "highest_error")),
                "-" if deviation is None else percent(deviation, 1),
            ]
        ],
    )


STUDY = Study(
    about=__doc__,
    section="A table of binary networks trained alone",
    minutes=20,
    measure=measure,
    render=render,
    options=options,
)
