"""How fast packed programs are, beside PyTorch and beside what the processor could do.

The smallest, the median and the largest network (by ops) of every space classify a batch of random images on
one thread: as a packed program, and in PyTorch, folded once and channels-last, in float32 and bfloat16. They
take turns in one process, and ratios are taken turn by turn. `trunk` leaves out everything before the first
binary convolution; `calibration` measures the statistics of the norms.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from llvmlite import binding
from numba import njit

from analysis.shared.inference import calibrated, folded, median_network, tensors_of
from analysis.shared.markdown import percent, quartiles, table, verdict
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from analysis.shared.timing import milliseconds, race, ratio
from evo_bnas.network.cost import cost
from evo_bnas.packed.calibrate import calibrate_packed
from evo_bnas.packed.compile import compile_network
from evo_bnas.packed.llvm import TILE
from evo_bnas.packed.program import Program
from evo_bnas.packed.stem import trunk
from evo_bnas.packed.vectors import BLOCK_BYTES, multiply
from evo_bnas.space.catalogue import load
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate

SPACES = ("group-mobile-32", "elastic-mobile-32", "elastic-resnet-32", "binary-cell-32")
TARGETS = {"float32": 5.0, "bfloat16": 3.0}  # times PyTorch, for the median network

_FEATURES = ("avx2", "avx512f", "avx512vpopcntdq", "avx512bf16", "neon", "sve")
_CHUNK = 8


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--spaces", nargs="+", default=SPACES, help="default: " + " ".join(SPACES))
    parser.add_argument("--batch", type=int, default=16, help="images of a turn (default %(default)s)")
    parser.add_argument("--turns", type=int, default=7, help="of each contestant (default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """The ratios of every network, and how near the median ones are to the limits of the processor."""
    torch.set_num_threads(1)
    # Once glibc has seen a block of 31 MiB freed, it keeps such blocks: no contestant waits for fresh pages.
    torch.empty(31 << 20, dtype=torch.uint8)
    macs, bandwidth = _limits(options.turns)
    networks, utilisation = [], []
    for space in map(load, options.spaces):
        sizes = {
            "smallest": space.smallest(),
            "median": median_network(space),
            "largest": space.largest(),
        }
        networks += [_compared(space, *sized, options.batch, options.turns) for sized in sizes.items()]
        x = torch.randn(_CHUNK, *space.image)
        program = compile_network(calibrated(space.draw(sizes["median"]), x))
        seconds = race({"run": partial(program.run, x.numpy())}, options.turns)["run"].min()
        utilisation.append(
            {
                "space": space.name,
                "of_loop": space.cost(sizes["median"]).bops * _CHUNK / seconds / macs,
                "of_bandwidth": _traffic(program) * _CHUNK / seconds / bandwidth,
            }
        )
    return {
        "features": [name for name in _FEATURES if binding.get_host_cpu_features().get(name)],
        "macs_per_second": macs,
        "bytes_per_second": bandwidth,
        "networks": networks,
        "medians": utilisation,
    }


def _compared(space: Space, name: str, architecture: Architecture, batch: int, turns: int) -> dict[str, Any]:
    """How many times the packed time PyTorch takes for one network, in quartiles over turns."""
    whole = space.draw(architecture)
    figures: dict[str, Any] = {"space": space.name, "network": name, "mbops": cost(whole).bops / 1e6}
    for part, blueprint in (("whole", whole), ("trunk", trunk(whole))):
        x = torch.randn(batch, *blueprint.image, generator=torch.Generator().manual_seed(0))
        x = x.contiguous(memory_format=torch.channels_last)  # the layout that both read
        network = calibrated(blueprint, x)
        packed = x.numpy()
        contestants: dict[str, Callable[[], object]] = {
            "packed": partial(compile_network(network).run, packed)
        }
        for dtype in (torch.float32, torch.bfloat16):
            contestants[str(dtype).removeprefix("torch.")] = partial(folded(network, dtype), x.to(dtype))
        figures[part] = _ratios(race(contestants, turns), batch)
    if name == "median":
        statistics = partial(tensors_of, network)
        contestants = {
            "packed": lambda: calibrate_packed(network.blueprint, statistics, packed, batch // 2),
            "float32": lambda: calibrate(network.run, x, batch // 2),
        }
        figures["calibration"] = _ratios(race(contestants, turns), batch)
    return figures


def _ratios(seconds: dict[str, np.ndarray], batch: int) -> dict[str, Any]:
    ours = seconds.pop("packed")
    return {"ms_per_image": milliseconds(ours) / batch} | {
        name: ratio(theirs, ours) for name, theirs in seconds.items()
    }


@njit
def _count(words, weights, counts, times):  # type: ignore[no-untyped-def]
    depth, lanes = words.size // TILE, counts.size // TILE
    for _ in range(times):
        multiply(words, 0, 1, TILE, TILE, depth, weights, 0, counts, 0, lanes)


def _limits(turns: int) -> tuple[float, float]:
    """1-bit MACs a second of the innermost loop on cached words, and bytes a second that memory copies."""
    depth, lanes, times = 64, BLOCK_BYTES // 8, 20_000
    words, weights = np.arange(depth * TILE, dtype=np.uint64), np.arange(depth * lanes, dtype=np.uint64)
    counts = np.zeros(TILE * lanes, np.int32)
    source, target = np.ones(1 << 25, np.float32), np.empty(1 << 25, np.float32)
    seconds = race(
        {
            "count": lambda: _count(words, weights, counts, times),
            "copy": lambda: np.copyto(target, source),
        },
        turns,
    )
    macs = times * TILE * weights.size * 64
    return float(macs / seconds["count"].min()), float(2 * source.nbytes / seconds["copy"].min())


def _traffic(program: Program) -> int:
    """Bytes of maps and signs that the steps read and write for an image."""
    size = 0
    for step in program.steps:
        for where in (*step.inputs, *(one for one in (step.shortcut, step.real) if one is not None)):
            signs = where in step.inputs and (step.operation == "binary" or step.unpacks)
            words = -(-where.channels // 64) * 8 if signs else where.channels * 4
            size += where.height * where.width * words
        if step.signs is not None:
            readers = len(step.epilogue.levels)
            size += readers * step.height * step.width * -(-step.channels // 64) * 8
    return size


def render(result: Result) -> str:
    """One row for each network, and one for each median network."""
    figures = result.figures
    kinds = tuple(TARGETS)
    columns = [
        "network",
        "Mbop",
        "ms per image",
        *kinds,
        *(f"{kind}, trunk" for kind in kinds),
        "calibration",
    ]
    rows = [
        [
            f"{own['space']}, {own['network']}",
            f"{own['mbops']:,.0f}",
            f"{own['whole']['ms_per_image']:.2f}",
            *(quartiles(own[part][kind], "{:.1f}") for part in ("whole", "trunk") for kind in kinds),
            quartiles(own["calibration"]["float32"], "{:.1f}") if "calibration" in own else "",
        ]
        for own in figures["networks"]
    ]
    medians = [
        [own["space"], percent(own["of_loop"]), percent(own["of_bandwidth"])] for own in figures["medians"]
    ]
    macs, copied = figures["macs_per_second"] / 1e9, figures["bytes_per_second"] / 1e9
    missed = [
        f"{own['space']}, {kind}, {part}"
        for own in figures["networks"]
        for part in ("whole", "trunk")
        for kind, target in TARGETS.items()
        if own["network"] == "median" and own[part][kind][1] < target
    ]
    targets = " and ".join(f"{target:g} times for {kind}" for kind, target in TARGETS.items())
    return (
        f"Batches of {result.options['batch']}, a processor with {', '.join(figures['features'])}.\n\n"
        f"{table(columns, rows)}\n\n"
        f"The targets for the median networks are {targets}. {verdict(missed)}\n\n"
        f"The innermost loop alone does {macs:,.0f} G binary MAC/s here, and "
        f"memory copies {copied:.0f} GB/s. What the median networks reach of that:\n\n"
        f"{table(['space', 'of the loop', 'of the bandwidth'], medians)}"
    )


STUDY = Study(
    about=__doc__,
    section="Packed programs beside PyTorch",
    minutes=10,
    measure=measure,
    render=render,
    options=options,
    timing=True,
)
