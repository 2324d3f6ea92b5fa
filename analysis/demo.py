"""The demo over seeds: from the images to a trained network, and what the network needs on a device.

evo-bnas run digits --set seed=N
"""

import shutil
import subprocess
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.export.c import export_c
from evo_bnas.export.packed import export_packed
from evo_bnas.export.retrained import choose, load
from evo_bnas.network.cost import cost
from evo_bnas.run.pipeline import run_all
from evo_bnas.run.start import start


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--seeds", type=int, default=4, help="(default %(default)s)")
    parser.add_argument("--set", nargs="+", default=(), metavar="KEY=VALUE", help="changes of the recipe")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """One row for each seed."""
    return {
        "picks": [
            parts.get(f"seed{seed}", _picked, seed, options.set, parts.folder)
            for seed in range(options.seeds)
        ]
    }


def _picked(seed: int, changes: list[str], folder: Path) -> dict[str, Any]:
    """The pick of one run: its accuracy, and its size as the exports have it."""
    run = start("digits", folder / f"run{seed}", [*changes, f"seed={seed}"])
    run_all(run)
    network = load(run, choose(run, None))
    packed, c = folder / f"{seed}.safetensors", folder / f"network{seed}.c"
    export_packed(network, packed)
    exported = export_c(network, c)
    return {
        "seed": seed,
        "key": network.header.key,
        "ops": cost(network.blueprint).ops,
        "test_error": network.header.test_error,
        "packed_bytes": packed.stat().st_size,
        "payload_bytes": network.payload,
        "c_constants_bytes": exported.sizes["constants"],
        "c_arena_bytes": exported.sizes["arena"],
        "c_text_bytes": _text_bytes(c),
    }


def _text_bytes(source: Path) -> int | None:
    """Bytes of code and constants as gcc compiles them for this machine; None without gcc."""
    if not shutil.which("gcc"):
        return None
    compiled = source.with_suffix(".o")
    subprocess.run(["gcc", "-std=c99", "-Os", "-c", str(source), "-o", str(compiled)], check=True)
    sizes = subprocess.run(["size", str(compiled)], check=True, capture_output=True, text=True).stdout
    return int(sizes.splitlines()[1].split()[0])


def render(result: Result) -> str:
    """One row for each seed."""
    columns = ["seed", "test accuracy", "ops", "packed file", "of it weights", "C constants", "C arena",
               "C text, gcc -Os"]  # fmt: skip
    sizes = ("packed_bytes", "payload_bytes", "c_constants_bytes", "c_arena_bytes", "c_text_bytes")
    rows = [
        [
            f"{own['seed']}",
            percent(1 - own["test_error"], 2),
            f"{own['ops']:,.0f}",
            *("-" if own[size] is None else f"{own[size]:,} B" for size in sizes),
        ]
        for own in result.figures["picks"]
    ]
    return table(columns, rows)


STUDY = Study(
    about=__doc__,
    section="The demo over seeds",
    minutes=8,
    measure=measure,
    render=render,
    options=options,
)
