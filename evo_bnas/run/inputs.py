"""What the stages of a run are given: device, images, stages, evaluators."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from evo_bnas.binary.execute import Mode
from evo_bnas.binary.weights import Weights
from evo_bnas.data import dataset
from evo_bnas.data.dataset import Dataset
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.files import weights_file
from evo_bnas.machine import processor
from evo_bnas.progress import Report, silent
from evo_bnas.run.folder import Run
from evo_bnas.space.genes import Space
from evo_bnas.supernet.supernet import load_supernet
from evo_bnas.train.randomness import Stream, generator
from evo_bnas.train.settings import TrainingSettings
from evo_bnas.train.stage import TrainingStage

_CALIBRATION_IMAGES = 512


def device(run: Run) -> torch.device:
    """The device that a run computes on."""
    return torch.device(run.compute.device)


def images(run: Run, report: Report = silent) -> Dataset:
    """The data set on the run's device; sets the number of threads that the run was started with.

    Raises UsageError if the images have changed since: they would be divided differently, and an image used
    for training must not test.
    """
    torch.set_num_threads(run.compute.threads)
    found = dataset.load(run.recipe.data, run.recipe.seed, cache=run.data, report=report)
    if run.environment.data not in (None, found.fingerprint):
        raise UsageError(
            f"data {run.recipe.data.name}: the images have changed since {run.folder} was started; restore "
            "them, or start another run with --out"
        )
    return found.to(device(run))


def stages(run: Run, name: str, training: TrainingSettings) -> list[TrainingStage]:
    """The stages of a training: real weights first if the recipe says so, then binary ones.

    `name` is that of the training in progress reports.
    """
    supernet = run.recipe.supernet
    names: list[tuple[Weights, str]] = [("binary", name)]
    if training.real_epochs:
        names.insert(0, ("real", f"{name}, real weights"))
    return [
        TrainingStage(
            stage,
            training,
            run.recipe.seed,
            supernet.augment,
            Mode(weights, supernet.sign_gradient, clip=supernet.sign_clip),
            run.compute.precision,
        )
        for weights, stage in names
    ]


def protocol(run: Run, data: Dataset, calibration: Tensor) -> EvaluationProtocol:
    """The protocol of scores on the search split, calibrated on these images."""
    return EvaluationProtocol(
        data=data.fingerprint,
        images=len(data.search),
        calibration=sha256(calibration.cpu().numpy().tobytes()).hexdigest()[:16],
        batch=run.recipe.evaluate.batch,
        threads=run.compute.worker_threads,
        device=run.compute.device,
    )


def evaluator(run: Run) -> SupernetEvaluator:
    """The evaluator that scores architectures of a run with its trained supernet."""
    kind, place, latency = SupernetEvaluator, device(run), None
    if run.compute.backend == "packed":
        from evo_bnas.evaluate.packed import PackedEvaluator  # Numba, a second

        kind, place = PackedEvaluator, torch.device("cpu")
    if "latency_ms" in run.recipe.search.objectives:
        from evo_bnas.packed.latency import LatencyMeter

        latency = LatencyMeter()
    data = images(run).to(place)
    torch.set_num_threads(run.compute.worker_threads)
    supernet = load_supernet(run.space, run.supernet_file).to(place)
    order = generator(run.recipe.seed, Stream.CALIBRATION).permutation(len(data.train))
    calibration = data.train[torch.from_numpy(order[:_CALIBRATION_IMAGES]).to(place)]
    return kind(
        supernet,
        calibration=calibration,
        search=data.search,
        weights=weights_file.fingerprint(run.supernet_file),
        protocol=replace(
            protocol(run, data, calibration),
            backend=run.compute.backend,
            device=place.type,
            host=processor() or "unnamed" if latency else "",
        ),
        latency=latency,
    )


def open_evaluator(folder: Path) -> tuple[Space, Evaluator]:
    """Space and evaluator of a finished run, for studies; raises UsageError if it has no supernet."""
    run = Run.open(folder)
    run.need_supernet()
    return run.space, evaluator(run)
