"""Two searches with the same supernet, one with packed and one with torch scores."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evo_bnas.archive.correct import unpack_correct
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from evo_bnas.run.search import search
from evo_bnas.run.start import start


def started(backend: str, recipe: str, changes: Sequence[str], folder: Path) -> Run:
    """The run of a recipe that scores with a backend."""
    return start(recipe, folder / backend, [*changes, f"evaluate.backend={backend}"])


def searched(run: Run) -> dict[str, Any]:
    """Search with a trained supernet, and time it."""
    run.journal_file.unlink(missing_ok=True)  # of an interrupted study
    begin, begin_cpu = time.perf_counter(), time.process_time()
    results = search(run).results
    return {
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - begin_cpu,  # of all threads
        "scored": len(results.frame),
        "evaluation_seconds": float(results.frame["seconds"].sum()),
        "front": len(results.front),
        "hypervolume": results.hypervolume,
    }


def searched_again(
    run: Run, backend: str, recipe: str, changes: Sequence[str], folder: Path
) -> dict[str, Any]:
    """Search with the supernet of a run and another backend, and compare the two searches."""
    other = started(backend, recipe, changes, folder)
    shutil.copy(run.supernet_file, other.supernet_file)
    return {backend: searched(other), "agreement": _agreement(Results.of(run), Results.of(other))}


def _agreement(one: Results, other: Results) -> dict[str, Any]:
    """What two searches have in common. Proposals are the same until an image is classified differently."""
    both = one.frame.merge(other.frame, on="key")
    images = [
        unpack_correct(first) != unpack_correct(second)
        for first, second in zip(both["correct_x"], both["correct_y"], strict=True)
    ]
    return {
        "common_front": len(set(one.front["key"]) & set(other.front["key"])),
        "common": len(both),
        "different": int((both["error_x"] != both["error_y"]).sum()),
        "most_images": max((int(differing.sum()) for differing in images), default=0),
        "images": len(inputs.images(one.run).search),
    }


def difference(agreement: dict[str, Any]) -> str:
    """How far the scores of both searches agree, as a sentence."""
    return (
        f"Of {agreement['common']} networks that both searches scored, {agreement['different']} have another "
        f"error, by at most {agreement['most_images']} of {agreement['images']:,} images."
    )
