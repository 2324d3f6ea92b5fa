"""Train every network of a small space alone, with several seeds, and write what came out as a table.

Run it with `python -m analysis.standalone_table`; it may be interrupted or killed, and called again it goes
on. Networks are trained side by side with `--workers 2`; seeds with `--only 0` and `--only 1` in two
processes, then once without it.
The table is known answers for explorers (`evaluate/table.py`) and the truth that `analysis.fidelity`
compares supernets with.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from analysis import command
from evo_bnas.archive.journal import Journal
from evo_bnas.binary.network import Network
from evo_bnas.cli import console
from evo_bnas.cluster.access import open_engine
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.data.dataset import Dataset, Images, load
from evo_bnas.data.settings import DataSettings
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.evaluate.standalone import StandaloneEvaluator
from evo_bnas.files.atomic import file_name, write_bytes
from evo_bnas.files.yaml_file import validate
from evo_bnas.progress import Report
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

BATCH = 128  # of calibration and scoring
ATTEMPTS = 2  # at a training that fails


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

    def scorer(self, seed: int, scratch: Path) -> StandaloneEvaluator:
        """What trains and scores networks with one seed."""
        own = replace(self, stage=replace(self.stage, seed=seed))
        conditions = EvaluationProtocol(
            data=self.dataset.fingerprint,
            images=len(self.unseen),
            calibration="train part",
            batch=BATCH,
            threads=torch.get_num_threads(),
            device="cpu",
        )
        return StandaloneEvaluator(
            self.space,
            partial(own.trained, scratch),
            search=self.unseen,
            protocol=conditions,
            training=own.stage.settings.model_dump(mode="json") | {"seed": seed},
        )

    def trained(self, scratch: Path, architecture: Architecture, protocol: str) -> Network:
        """A network trained from scratch, or from its checkpoint in the folder on, and calibrated."""
        network = Network(self.space.draw(architecture), seed=torch_seed(self.stage.seed, Stream.WEIGHTS))
        checkpoint = Checkpoint(scratch / f"{file_name(f'{protocol}-{architecture.key}')}.safetensors")
        train_network(network, self.dataset.train, self.stage, checkpoint=checkpoint)
        checkpoint.remove()
        network.set_statistics(calibrate(network.run, self.dataset.train, BATCH))
        return network.eval()


def errors(task: Task, seed: int, folder: Path, engine: EngineSettings, report: Report) -> dict[str, float]:
    """The error of every network with one seed, by key; only what the folder's journal lacks is trained."""
    folder = folder.absolute()  # workers stand in another one
    scorer = task.scorer(seed, folder)
    networks = list(task.space.enumerate())
    problem = Problem(task.space, ("error", "ops"), {})
    with Journal(folder / f"seed{seed}.jsonl") as book:
        left = book.archive.left(len(networks), ATTEMPTS)
        with open_engine(engine, scorer, left, folder=folder) as trainers:
            search(
                problem,
                Design(networks),
                trainers,
                book,
                evaluations=len(networks),
                batch=1,
                seed=seed,
                max_attempts=ATTEMPTS,
                report=lambda step: report(
                    replace(step, stage=f"alone, seed {seed}", unit="networks", figures="")
                ),
            )
        return {proposal.key: score.objectives["error"] for proposal, score in book.archive.scored}


def write(task: Task, by_seed: dict[int, dict[str, float]], path: Path) -> None:
    """The table as CSV, and beside it as JSON how it was made and how far its errors spread."""
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
            own = [f"{found[network.key]:.6f}" for found in by_seed.values()]
            rows.writerow([*options, *own, *task.space.costs(network).values()])
    about = {
        "space": task.space.name,
        "genes": [gene.name for gene in task.space.genes],
        "data": task.dataset.card().model_dump(mode="json"),
        "errors": "share of wrong answers on the search and the test part together, which no training saw",
        "training": task.stage.settings.model_dump(mode="json") | {"seed": "the number in the column's name"},
        "torch": torch.__version__.partition("+")[0],
        "summary": summary(by_seed),
    }
    write_bytes(path.with_suffix(".json"), (json.dumps(about, indent=2) + "\n").encode())


def summary(by_seed: dict[int, dict[str, float]]) -> dict[str, float]:
    """Spread of the mean errors over networks, and of the errors of one network over seeds (a deviation)."""
    table = np.array([[found[key] for found in by_seed.values()] for key in by_seed[min(by_seed)]])
    means = table.mean(axis=1)
    return {
        "networks": len(table),
        "seeds": table.shape[1],
        "least_error": float(means.min()),
        "greatest_error": float(means.max()),
        "spread": float(np.ptp(means)),
        "seed_deviation": float(np.sqrt(table.var(axis=1, ddof=1).mean())) if table.shape[1] > 1 else 0.0,
        "mean_error": fmean(means.tolist()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, then write the table."""
    parser = command.parser("analysis.standalone_table", __doc__)
    parser.add_argument("--space", default="tiny-8", help="small enough to be listed (default %(default)s)")
    parser.add_argument("--data", default="digits", help="(default %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings a network (default %(default)s)")
    parser.add_argument("--only", type=int, help="train this seed alone, and write no table")
    parser.add_argument("--workers", type=int, default=1, help="processes that train (default %(default)s)")
    parser.add_argument("--address", help="of a Ray cluster, for the workers (default: one's own)")
    parser.add_argument("--epochs", type=int, default=40, help="(default %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("runs/out/standalone"), help="of the journals")
    parser.add_argument("--out", type=Path, default=Path("tables"), help="of the table (default %(default)s)")
    command.run(_study, parser, arguments)


def _study(asked: argparse.Namespace) -> None:
    torch.set_num_threads(1)  # maps of 8 x 8 are too small to share
    dataset = load(DataSettings(name=asked.data), seed=0)
    space = catalogue.load(asked.space).fit(dataset.image, len(dataset.classes))
    settings = TrainingSettings(epochs=asked.epochs, batch=64, lr=1e-2)
    task = Task(space, dataset, TrainingStage("alone", settings, seed=0))
    folder = asked.folder / f"{space.name}-{asked.data}-{asked.epochs}"
    folder.mkdir(parents=True, exist_ok=True)
    engine = validate(EngineSettings, {"workers": asked.workers, "address": asked.address}, "--workers")
    seeds = range(asked.seeds) if asked.only is None else [asked.only]
    with console.progress() as report:
        by_seed = {seed: errors(task, seed, folder, engine, report) for seed in seeds}
    if asked.only is not None:
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / f"{space.name}.csv"
    write(task, by_seed, path)
    if asked.format == "json":
        print(json.dumps(summary(by_seed)))
        return
    for name, value in summary(by_seed).items():
        print(f"{name:16} {value:.4g}")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
