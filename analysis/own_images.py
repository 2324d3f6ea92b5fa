"""The template `runs/own-images.yaml` on a small set of drawn photos.

The pick is compared with random networks within the budget, which are trained in the same way from the same
supernet, and with the network of most ops among the scored ones.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np

from analysis.shared import drawn_images
from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.run.folder import Run
from evo_bnas.run.pipeline import run_all
from evo_bnas.run.retrain import retrain
from evo_bnas.run.start import start
from evo_bnas.search.problem import Problem


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--photos", type=int, default=400, help="(default %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="sets of photos (default %(default)s)")
    parser.add_argument("--networks", type=int, default=8, help="random ones (default %(default)s)")
    parser.add_argument("--set", nargs="+", default=(), metavar="KEY=VALUE", help="changes of the recipe")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """One run for each set of photos."""
    rows = []
    for seed in range(options.seeds):
        photos = parts.folder / f"photos-{seed}"
        drawn_images.write(photos, options.photos, seed)
        changes = [f"data.path={photos}", f"seed={seed}", *options.set]
        run = start("own-images", parts.folder / f"run-{seed}", changes)
        whole = parts.get(f"run-{seed}", _whole, run)
        rows.append(whole | {"random": parts.get(f"random-{seed}", _random, run, options.networks)})
    return {"rows": rows}


def _whole(run: Run) -> dict[str, Any]:
    """The template as it is: its pick and the minutes that it takes."""
    begin = perf_counter()
    results = run_all(run)
    minutes = (perf_counter() - begin) / 60
    pick = results.pick()
    (card,) = retrain(run, keys=[pick.key], results=results).cards
    rows = results.frame[results.frame["ops"] <= run.recipe.pick.limits["ops"]]
    largest = str(rows["key"].iloc[int(rows["ops"].to_numpy().argmax())])
    (other,) = retrain(run, keys=[largest], results=results).cards
    return {
        "minutes": minutes,
        "key": card.key,
        "ops": card.cost["ops"],
        "test_error": card.test_error,
        "largest_test_error": other.test_error,
        "test_images": card.data.images["test"],
    }


def _random(run: Run, number: int) -> list[float]:
    """The test errors of random networks within the budget."""
    problem = Problem(run.space, ("error", "ops"), run.recipe.pick.limits)
    networks = [problem.sample(np.random.default_rng([run.recipe.seed, index])) for index in range(number)]
    keys = list(dict.fromkeys(network.key for network in networks))
    return [card.test_error for card in retrain(run, keys=keys).cards]


def render(result: Result) -> str:
    """One row for each set of photos."""
    rows = result.figures["rows"]
    columns = ["photos", "pick", "most ops", "best of random", "mean of random", "minutes"]
    cells = [
        [
            f"set {number}",
            percent(1 - row["test_error"], 2),
            percent(1 - row["largest_test_error"], 2),
            percent(1 - min(row["random"]), 2),
            percent(1 - fmean(row["random"]), 2),
            f"{row['minutes']:.1f}",
        ]
        for number, row in enumerate(rows)
    ]
    gaps: Sequence[float] = [row["test_error"] - min(row["random"]) for row in rows]
    return (
        f"Top-1 on {rows[0]['test_images']} test photos after the final training, of the pick, of the "
        f"scored network with the most ops within the budget, and of {len(rows[0]['random'])} random "
        f"networks within it. The pick is at most {100 * max(gaps):.2f} points worse than the best of the "
        "random ones."
        f"\n\n{table(columns, cells)}"
    )


STUDY = Study(
    about=__doc__,
    section="The template for your own images",
    minutes=30,
    measure=measure,
    render=render,
    options=options,
    threads=2,
)
