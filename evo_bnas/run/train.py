"""The first stage: train the supernet."""

from functools import partial

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
from evo_bnas.train.supernet import train_supernet
from evo_bnas.train.teacher import Teacher, load_teacher


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
        for weights, schedule in inputs.stages(run, settings):
            checkpoint = Checkpoint(run.checkpoint / f"supernet-{weights}.safetensors")
            learn = partial(
                train_supernet,
                schedule=schedule,
                sampler=SAMPLERS[settings.sampler],
                stage="supernet" if weights == "binary" else "supernet, real weights",
                mode=inputs.mode(run, weights),
                precision=run.compute.precision,
            )
            if settings.ranks > 1 and checkpoint.read()[0] < schedule.steps(len(images)):
                from evo_bnas.cluster.training import Lesson, train_on_ranks  # Ray, seconds

                lesson = Lesson(learn, supernet, images, teacher, run.compute.worker_threads)
                train_on_ranks(
                    lesson,
                    settings.ranks,
                    run.recipe.engine,
                    device=run.compute.device,
                    checkpoint=checkpoint,
                    report=report,
                )
                assert checkpoint.read()[0] == schedule.steps(len(images))
            # After a training on ranks this only reads its last checkpoint.
            learn(supernet, images, teacher=teacher, checkpoint=checkpoint, report=report)
            checkpoints.append(checkpoint)
        save_supernet(supernet, run.supernet_file)
        for checkpoint in checkpoints:
            checkpoint.remove()
    return TrainedSupernet(run.supernet_file, existed=False)


def _teacher(run: Run) -> Teacher | None:
    """The teacher of the supernet; raises UsageError if its file has changed since the run was started."""
    settings, started_with = run.recipe.supernet, run.environment.teacher
    if settings.teacher_file is None:
        return None if settings.teacher == "none" else "in-place"
    teacher = load_teacher(settings.teacher_file, run.space)
    found = weights_file.fingerprint(settings.teacher_file)
    if started_with not in (None, found):
        raise UsageError(
            f"supernet.teacher: {settings.teacher_file}: has changed: the run was started with the weights "
            f"{started_with}, and these are {found}; restore the old file, or start another run with --out"
        )
    return teacher.to(inputs.device(run))
