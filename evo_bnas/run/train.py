"""The first stage: train the supernet."""

from evo_bnas.errors import UsageError
from evo_bnas.files import weights_file
from evo_bnas.progress import Report, silent
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.outcomes import TrainedSupernet
from evo_bnas.supernet.samplers import SAMPLERS
from evo_bnas.supernet.supernet import Supernet, save_supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.randomness import Stream, torch_seed
from evo_bnas.train.settings import SupernetSettings
from evo_bnas.train.supernet import SupernetTraining
from evo_bnas.train.teacher import NO_TEACHER, InPlaceTeacher, Teacher, load_teacher


def train(run: Run, report: Report = silent) -> TrainedSupernet:
    """Train the supernet of a run, unless it is trained."""
    if run.supernet_file.exists():
        return TrainedSupernet(run.supernet_file, existed=True)
    with run.lock():
        settings = run.recipe.supernet
        seed = torch_seed(run.recipe.seed, Stream.WEIGHTS)
        supernet = Supernet(run.space, seed=seed).to(inputs.device(run))
        images, teacher = inputs.images(run, report).train, _teacher(run)
        checkpoints = []
        _check_ranks(settings, len(images))
        for stage in inputs.stages(run, "supernet", settings):
            checkpoint = Checkpoint(run.checkpoint / f"supernet-{stage.mode.weights}.safetensors")
            training = SupernetTraining(supernet, images, stage, SAMPLERS[settings.sampler], teacher)
            steps = stage.steps(len(images))
            if settings.ranks > 1 and checkpoint.read()[0] < steps:
                from evo_bnas.cluster.training import train_on_ranks  # Ray, seconds

                train_on_ranks(
                    training,
                    checkpoint,
                    report,
                    ranks=settings.ranks,
                    threads=run.compute.worker_threads,
                    engine=run.recipe.engine,
                )
                assert checkpoint.read()[0] == steps
            # After a training on ranks this only reads the last checkpoint.
            training.run(checkpoint, report)
            checkpoints.append(checkpoint)
        save_supernet(supernet, run.supernet_file)
        for checkpoint in checkpoints:
            checkpoint.remove()
    return TrainedSupernet(run.supernet_file, existed=False)


def _check_ranks(settings: SupernetSettings, images: int) -> None:
    """Raise UsageError if a batch has fewer images than there are ranks."""
    batch = images // settings.steps_per_epoch(images)
    if settings.ranks > batch:
        raise UsageError(
            f"supernet.ranks: {settings.ranks} ranks cannot share a batch of {batch} images, which is what "
            f"{images:,} images are divided into; use fewer ranks"
        )


def _teacher(run: Run) -> Teacher:
    """The teacher of the supernet; raises UsageError if its file has changed since the run was started."""
    settings, started_with = run.recipe.supernet, run.environment.teacher
    if settings.teacher == "none":
        return NO_TEACHER
    if settings.teacher_file is None:
        return InPlaceTeacher(run.space.largest())
    teacher = load_teacher(settings.teacher_file, run.space)
    now = weights_file.fingerprint(settings.teacher_file)
    if started_with not in (None, now):
        raise UsageError(
            f"supernet.teacher: {settings.teacher_file}: has changed: the run was started with the weights "
            f"{started_with}, and these are {now}; restore the old file, or start another run with --out"
        )
    return teacher.to(inputs.device(run))
