"""CIFAR-10 on two cores: from the images to a trained network, and the same search with torch scores.

    evo-bnas run cifar10-cpu --set data.path=FOLDER

Resumed after an interruption, the study measures times that are too short.
"""

import resource
from argparse import ArgumentParser, Namespace
from pathlib import Path
from time import perf_counter
from typing import Any

from analysis.shared.backends import difference, searched, searched_again, started
from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.network import card
from evo_bnas.network.card import Card
from evo_bnas.run.folder import Run
from evo_bnas.run.pipeline import run_all
from evo_bnas.run.train import train


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--recipe", default="cifar10-cpu", help="(default %(default)s)")
    parser.add_argument("--data", type=Path, help="folder of the images (default: that of the recipe)")
    parser.add_argument("--set", nargs="+", default=(), metavar="KEY=VALUE", help="changes of the recipe")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """The whole run and its pick, then the search with torch scores."""
    changes = [*([f"data.path={options.data.absolute()}"] if options.data else []), *options.set]
    run = started("packed", options.recipe, changes, parts.folder)
    figures: dict[str, Any] = parts.get("run", _whole, run)
    return figures | searched_again(run, "torch", options.recipe, changes, parts.folder)


def _whole(run: Run) -> dict[str, Any]:
    begin = perf_counter()
    train(run)
    packed = searched(run)
    results = run_all(run)
    minutes = (perf_counter() - begin) / 60
    picked = Card.read(run.pick_folder(results.pick().order[0]) / card.FILE)
    return {
        "networks": run.space.count().number,
        "ops": [run.space.cost(one).ops for one in (run.space.smallest(), run.space.largest())],
        "minutes": minutes,
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "pick": {
            "ops": picked.cost["ops"],
            "size_bits": picked.cost["size_bits"],
            "search_error": picked.supernet_search_error,
            "inherited_test_error": picked.inherited_test_error,
            "test_error": picked.test_error,
        },
        "packed": packed,
    }


def render(result: Result) -> str:
    """One row for the pick, and sentences on the run and its searches."""
    figures = result.figures
    pick, (packed, torch) = figures["pick"], (figures[backend] for backend in ("packed", "torch"))
    low, high = (f"{ops / 1e6:.2f}" for ops in figures["ops"])
    faster = torch["seconds"] / packed["seconds"]
    columns = ["pick", "size", "accuracy in the search", "test, inherited weights", "test, retrained"]
    errors = ("search_error", "inherited_test_error", "test_error")
    row = [
        f"{pick['ops']:,.0f} ops",
        f"{pick['size_bits'] / 8e3:.1f} kB",
        *(percent(1 - pick[error], 1) for error in errors),
    ]
    return (
        f"A space of {figures['networks']:,} networks of {low} to {high} million ops, of which "
        f"{packed['scored']} were scored in {packed['evaluation_seconds']:.0f} s of evaluation; "
        f"{figures['minutes']:.0f} minutes in all; peak memory {figures['peak_bytes'] / 1e9:.1f} GB."
        f"\n\n{table(columns, [row])}\n\n"
        f"The search took {packed['seconds']:.0f} s with packed scores and {torch['seconds']:.0f} s with "
        f"torch scores, {faster:.1f} times as long. {difference(figures['agreement'])} "
        f"The hypervolume of the fronts is {packed['hypervolume']:.4f} and {torch['hypervolume']:.4f}."
    )


STUDY = Study(
    about=__doc__,
    section="CIFAR-10 on two cores",
    minutes=60,
    measure=measure,
    render=render,
    options=options,
    threads=2,
)
