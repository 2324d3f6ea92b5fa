"""What 1-bit execution brings to a search: the same one with packed and with torch scores.

    python -m analysis.packed_search

A supernet is trained once. Two searches with its weights, alike but for `evaluate.backend`, follow one after
the other. Their proposals are the same for as long as no image is classified differently, so fronts are
compared by what they hold and by how much they cover.
"""

import argparse
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis import command
from evo_bnas.archive.correct import unpack_correct
from evo_bnas.cli import console
from evo_bnas.machine import processor
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from evo_bnas.run.search import search as search_stage
from evo_bnas.run.start import start
from evo_bnas.run.train import train as train_stage

BACKENDS = ("torch", "packed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One search."""

    backend: str
    seconds: float  # wall time of the whole search
    cpu_seconds: float  # of all threads, which a busy machine does not change as much
    first_ms: float  # first evaluation: with packed, kernels are loaded, or compiled where there are none yet
    median_ms: float  # of an evaluation
    front: tuple[str, ...]  # keys
    hypervolume: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two searches beside each other."""

    common_front: int  # networks on both fronts
    common: int  # networks that both scored
    different: int  # of these, how many have another error
    most_images: int  # images on which the scores of one network differ, at most


def searched(run: Run) -> Outcome:
    """Search with a trained run, and time it."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    search_stage(run)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    taken = 1e3 * Results.of(run).frame["seconds"]
    return Outcome(
        run.compute.backend,
        seconds,
        cpu_seconds,
        float(taken.iloc[0]),
        float(taken.median()),
        tuple(Results.of(run).front["key"]),
        Results.of(run).hypervolume,
    )


def agree(one: Run, other: Run) -> Agreement:
    """What two searches have in common."""
    both = Results.of(one).frame.merge(Results.of(other).frame, on="key")
    images = [
        int((unpack_correct(first) != unpack_correct(second)).sum())
        for first, second in zip(both["correct_x"], both["correct_y"], strict=True)
    ]
    fronts = [set(Results.of(run).front["key"]) for run in (one, other)]
    return Agreement(
        common_front=len(fronts[0] & fronts[1]),
        common=len(both),
        different=int((both["error_x"] != both["error_y"]).sum()),
        most_images=max(images, default=0),
    )


def compare(recipe: str, overrides: Sequence[str], folder: Path) -> tuple[list[Outcome], Agreement]:
    """Train once into the folder, then search by each backend."""
    runs = [
        start(recipe, folder / backend, [*overrides, f"evaluate.backend={backend}"]) for backend in BACKENDS
    ]
    with console.progress() as report:
        train_stage(runs[0], report)
    shutil.copy(runs[0].supernet_file, runs[1].supernet_file)
    return [searched(run) for run in runs], agree(*runs)


def study(asked: argparse.Namespace) -> None:
    """Train, search twice, print."""
    overrides = [f"search.evaluations={asked.evaluations}", "engine.device=cpu", *asked.set]
    with TemporaryDirectory() as scratch:
        outcomes, agreement = compare(asked.recipe, overrides, Path(scratch))
    with_torch, packed = outcomes
    faster = with_torch.cpu_seconds / packed.cpu_seconds
    if asked.format == "json":
        rows = {one.backend: asdict(one) for one in outcomes}
        console.print_json({"cpu": processor(), "faster": faster, **rows, **asdict(agreement)})
        return
    print(f"{asked.recipe}, {asked.evaluations} evaluations, on {processor()}")
    for one in outcomes:
        print(
            f"{one.backend:>7}: {one.seconds:7.1f} s, {one.cpu_seconds:7.1f} s of processor, evaluation "
            f"{one.median_ms:6.1f} ms (the first {one.first_ms:.0f} ms), hypervolume {one.hypervolume:.4f}"
        )
    print(f"packed takes 1/{faster:.2f} of the processor's time")
    print(
        f"fronts of {len(with_torch.front)} and {len(packed.front)} networks share "
        f"{agreement.common_front}; of {agreement.common} networks that both scored "
        f"{agreement.different} have another error, by {agreement.most_images} images at most"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line entry."""
    parser = command.parser("analysis.packed_search", __doc__)
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    command.run(study, parser, arguments)


if __name__ == "__main__":
    main()
