"""A run that kills itself: `python -m tests.support.run_driver MOMENT ARGUMENTS-OF-EVO-BNAS…`.

The moments are those at which a run has most to lose; each ends the process with a real SIGKILL.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from evo_bnas import cli
from evo_bnas.binary.execute import TensorsOf
from evo_bnas.evaluate import packed
from evo_bnas.evaluate.standalone import StandaloneEvaluator
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.files import atomic
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.run.retrain import Retraining
from evo_bnas.train import checkpoint, network


def die() -> NoReturn:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL cannot be handled")


def dying_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, until the given call, which kills the process."""
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            die()
        return function(*args, **kwargs)

    return wrapped


def inside_a_checkpoint_write() -> None:
    replace = atomic.os.replace
    checkpoint.SECONDS_BETWEEN = 0.0
    written = 0

    def torn(source: Path, target: Path) -> None:
        nonlocal written
        written += "checkpoint" in str(target)
        if written == 3:
            os.truncate(source, source.stat().st_size // 2)
            die()
        replace(source, target)

    atomic.os.replace = torn  # type: ignore[assignment]


def between_proposed_and_scored() -> None:
    score = SupernetEvaluator.__call__
    SupernetEvaluator.__call__ = dying_at(3, score)  # type: ignore[method-assign]


def in_the_middle_of_a_journal_line() -> None:
    """The fourth append leaves ten bytes of its first line."""
    fsync = os.fsync
    sizes: list[int] = []

    def torn(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("journal.jsonl"):
            sizes.append(os.fstat(descriptor).st_size)
            if len(sizes) == 4:
                os.ftruncate(descriptor, sizes[-2] + 10)
                die()
        fsync(descriptor)

    os.fsync = torn  # type: ignore[assignment]


def in_calibration() -> None:
    calibrate = packed.calibrate_packed
    calls = 0

    def fourth(blueprint: Blueprint, tensors_of: TensorsOf, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return calibrate(blueprint, dying_at(2, tensors_of) if calls == 4 else tensors_of, *args, **kwargs)

    packed.calibrate_packed = fourth


def in_a_training_to_confirm() -> None:
    dying = dying_in_step(50, StandaloneEvaluator.__call__)
    StandaloneEvaluator.__call__ = dying  # type: ignore[method-assign]


def in_retraining() -> None:
    # Two stages of 33 steps: this one is in the second.
    Retraining.train = dying_in_step(50, Retraining.train)  # type: ignore[method-assign]


def in_retraining_with_another_seed() -> None:
    Retraining.train = dying_in_step(110, Retraining.train)  # type: ignore[method-assign]


def dying_in_step(step: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose trainings save every step; it dies in one step, counted over all calls."""
    autocast = network.autocast  # called once a step

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        checkpoint.SECONDS_BETWEEN = 0.0
        if network.autocast is autocast:
            network.autocast = dying_at(step, autocast)
        return function(*args, **kwargs)

    return wrapped


MOMENTS = {
    moment.__name__: moment
    for moment in (
        inside_a_checkpoint_write,
        between_proposed_and_scored,
        in_the_middle_of_a_journal_line,
        in_calibration,
        in_a_training_to_confirm,
        in_retraining,
        in_retraining_with_another_seed,
    )
}

if __name__ == "__main__":
    MOMENTS[sys.argv[1]]()
    sys.argv = ["evo-bnas", *sys.argv[2:]]
    cli.main()
