"""What 1-bit execution brings to a search: the same search with packed and with torch scores.

A supernet is trained once. Two searches with its weights, which differ in `evaluate.backend` alone, follow
one after the other.
"""

from argparse import ArgumentParser, Namespace
from typing import Any

from analysis.shared.backends import difference, searched, searched_again, started
from analysis.shared.markdown import table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.run.train import train


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--recipe", default="digits", help="(default %(default)s)")
    parser.add_argument("--set", nargs="+", default=(), metavar="KEY=VALUE", help="changes of the recipe")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Both searches and how far they agree."""
    changes = ["engine.device=cpu", *options.set]
    run = started("packed", options.recipe, changes, parts.folder)
    train(run)
    return {"packed": searched(run)} | searched_again(run, "torch", options.recipe, changes, parts.folder)


def render(result: Result) -> str:
    """One row for each search."""
    figures = result.figures
    columns = ["scores", "networks", "time", "CPU time", "hypervolume"]
    rows = [
        [
            f"`{backend}`",
            f"{figures[backend]['scored']}",
            *(f"{figures[backend][name]:.1f} s" for name in ("seconds", "cpu_seconds")),
            f"{figures[backend]['hypervolume']:.4f}",
        ]
        for backend in ("packed", "torch")
    ]
    faster = figures["torch"]["cpu_seconds"] / figures["packed"]["cpu_seconds"]
    fronts = [figures[backend]["front"] for backend in ("packed", "torch")]
    return (
        f"Recipe `{result.options['recipe']}`.\n\n{table(columns, rows)}\n\n"
        f"By CPU time, the search with packed scores is {faster:.2f} times as fast. "
        f"{difference(figures['agreement'])} The fronts of {fronts[0]} and {fronts[1]} networks have "
        f"{figures['agreement']['common_front']} in common."
    )


STUDY = Study(
    about=__doc__,
    section="A search with packed and with torch scores",
    minutes=3,
    measure=measure,
    render=render,
    options=options,
    timing=True,
)
