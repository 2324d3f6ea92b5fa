"""How well the supernet of the demo ranks networks, against the same networks trained alone.

evo-bnas train digits
evo-bnas ranking runs/out/digits --networks 24 --epochs 20
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.archive.ranking import Estimate
from evo_bnas.plots.ranking import plot_ranking
from evo_bnas.run.ranking import check_ranking
from evo_bnas.run.start import start
from evo_bnas.run.train import train


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--networks", type=int, default=24, help="(default %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="of each training (default %(default)s)")
    parser.add_argument("--set", nargs="+", default=(), metavar="KEY=VALUE", help="changes of the recipe")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """The errors of every network, and how well they agree."""
    run = start("digits", parts.folder / "run", options.set)
    train(run)
    results = check_ranking(run, options.networks, epochs=options.epochs)
    agreed = results.agreement
    return {
        "tau": _values(agreed.estimated.tau),
        "ops_alone": _values(agreed.ops.tau),
        "difference": _values(agreed.gain),
        "regret": {str(k): value for k, value in agreed.estimated.regret.items()},
        "networks": results.networks[["ops", "supernet_error", "error"]].to_dict("list"),
    }


def _values(estimate: Estimate) -> list[float | None]:
    return [estimate.value, estimate.low, estimate.high]


def render(result: Result) -> str:
    """One row."""
    figures = result.figures
    columns = ["networks", "errors trained alone", "tau of the supernet", "tau of ops alone", "difference",
               *(f"regret of the first {k}" for k in figures["regret"])]  # fmt: skip
    errors = figures["networks"]["error"]
    row = [
        f"{len(errors)}",
        f"{100 * min(errors):.1f} to {percent(max(errors), 1)}",
        *(str(Estimate(*figures[name])) for name in ("tau", "ops_alone", "difference")),
        *(percent(regret, 1) for regret in figures["regret"].values()),
    ]
    return table(columns, [row])


def draw(result: Result, path: Path) -> None:
    """Errors read from the supernet against errors after training alone."""
    plot_ranking(pd.DataFrame(result.figures["networks"]), Estimate(*result.figures["tau"]), path)


STUDY = Study(
    about=__doc__,
    section="How well the demo's supernet ranks",
    minutes=4,
    measure=measure,
    render=render,
    options=options,
    picture="ranking.png",
    draw=draw,
)
