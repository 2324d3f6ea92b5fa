"""How fast packed programs are: beside PyTorch, by kind of step, and beside what the machine could do.

    python -m analysis.packed_speed

Of every space the smallest, the median and the largest network (by ops) classify a batch of made-up images
on one thread: as a packed program, and in PyTorch, folded once and channels-last, in float32 and bfloat16.
They take turns in one process, and the ratio is taken turn by turn, so that a machine that is busy now and
then slows all of them. `trunk` leaves out what comes before the first binary convolution.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from llvmlite import binding
from numba import njit
from torch import Tensor

from analysis import command
from evo_bnas.binary.execute import operate
from evo_bnas.binary.fold import Tensors, fold
from evo_bnas.binary.network import Network
from evo_bnas.machine import processor
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import cost
from evo_bnas.network.node import Node, tensors
from evo_bnas.packed.calibrate import calibrate_packed
from evo_bnas.packed.compile import compile_network
from evo_bnas.packed.llvm import TILE
from evo_bnas.packed.program import Program, RegisterFile
from evo_bnas.packed.stem import trunk
from evo_bnas.packed.step import Floats, Step
from evo_bnas.packed.vectors import BLOCK_BYTES, multiply
from evo_bnas.space.catalogue import load
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate

SPACES = ("group-mobile-32", "elastic-mobile-32", "elastic-resnet-32", "binary-cell-32")
TARGETS = {"float32": 5.0, "bfloat16": 3.0}  # times PyTorch, for the median network

_FEATURES = ("avx2", "avx512f", "avx512vpopcntdq", "avx512bf16", "neon", "sve")
_DRAWN = 41  # architectures whose median is taken
_CHUNK = 8


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long something takes in PyTorch; quartiles over turns."""

    space: str
    network: str  # smallest | median | largest
    part: str  # whole | trunk | calibration
    beside: str  # float32 | bfloat16
    mbops: float
    packed_ms: float  # an image
    ratio: float
    low: float
    high: float


def networks(space: Space) -> dict[str, Architecture]:
    """The smallest, the median and the largest network."""
    rng = np.random.default_rng(0)
    drawn = sorted((space.sample(rng) for _ in range(_DRAWN)), key=lambda one: space.cost(one).ops)
    return {"smallest": space.smallest(), "median": drawn[_DRAWN // 2], "largest": space.largest()}


def calibrated(blueprint: Blueprint, x: Tensor) -> Network:
    """A network with weights by chance."""
    network = Network(blueprint)
    network.set_statistics(calibrate(network.run, x, len(x)))
    return network.eval()


def own(network: Network, node: Node) -> Tensors:
    """The tensors of one node."""
    return {spec.name: network.get_parameter(f"{node.name}.{spec.name}").detach() for spec in tensors(node)}


def in_torch(network: Network, kind: torch.dtype) -> Callable[[Tensor], Tensor]:
    """What a network does in evaluation, with its tensors folded once and in the type asked for."""
    blueprint = network.blueprint
    statistics = {name: value.to(kind) for name, value in network.statistics.items()}
    folded = [
        fold(node, {name: value.to(kind) for name, value in own(network, node).items()}, statistics)
        for node in blueprint.nodes
    ]

    @torch.inference_mode()
    def run(images: Tensor) -> Tensor:
        maps = {0: images}
        for index, node in enumerate(blueprint.nodes[1:], 1):
            form, inputs = folded[index], [maps[source] for source in node.inputs]
            x = form.before(inputs[0]) if form.before else inputs[0]
            z = operate(node, [x, *inputs[1:]], form.weight)
            maps[index] = form.epilogue(z, inputs[1] if form.add else None)
            for source in set(node.inputs):
                if blueprint.last_use[source] == index:
                    del maps[source]
        return maps[index].flatten(1)

    return run


def race(contestants: dict[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Seconds of each contestant in every turn, after one that warms up."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns + 1):
        for name, call in contestants.items():
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    return {name: seconds[1:] for name, seconds in times.items()}


def compare(space: Space, name: str, architecture: Architecture, batch: int, turns: int) -> list[Ratio]:
    """The ratios of one network."""
    rows = []
    whole = space.draw(architecture)
    for part, blueprint in (("whole", whole), ("trunk", trunk(whole))):
        x = torch.randn(batch, *blueprint.image, generator=torch.Generator().manual_seed(0))
        x = x.contiguous(memory_format=torch.channels_last)  # as both want it: nobody has to turn it
        network = calibrated(blueprint, x)
        program, packed = compile_network(network), x.numpy()
        contestants: dict[str, Callable[[], object]] = {"packed": partial(program.run, packed)}
        for kind in (torch.float32, torch.bfloat16):
            run, images = in_torch(network, kind), x.to(kind)
            contestants[str(kind).removeprefix("torch.")] = partial(run, images)
        rows += _ratios((space.name, name, part), blueprint, race(contestants, turns), batch)
    if name == "median":
        contestants = {
            "packed": lambda: calibrate_packed(
                network.blueprint, lambda node: own(network, node), packed, batch // 2
            ),
            "float32": lambda: calibrate(network.run, x, batch // 2),
        }
        rows += _ratios((space.name, name, "calibration"), blueprint, race(contestants, turns), batch)
    return rows


def _ratios(
    of: tuple[str, str, str], blueprint: Blueprint, times: dict[str, list[float]], batch: int
) -> list[Ratio]:
    mine = np.array(times.pop("packed"))
    rows = []
    for beside, seconds in times.items():
        low, median, high = np.quantile(np.array(seconds) / mine, [0.25, 0.5, 0.75]).tolist()
        ms = float(np.median(mine)) * 1e3 / batch
        rows.append(Ratio(*of, beside, cost(blueprint).bops / 1e6, ms, median, low, high))
    return rows


def shares(program: Program, images: Floats, turns: int) -> dict[str, float]:
    """Share of the time of each kind of step."""
    registers = RegisterFile(program.registers, len(images))
    spent: dict[str, list[float]] = {}
    for _ in range(turns + 1):
        now: dict[str, float] = {}
        for prepared in program.prepared:
            started = time.perf_counter()
            registers.perform(prepared, images)
            kind = kind_of(prepared.step)
            now[kind] = now.get(kind, 0.0) + time.perf_counter() - started
        for kind, seconds in now.items():
            spent.setdefault(kind, []).append(seconds)
    typical = {kind: float(np.median(seconds[1:])) for kind, seconds in spent.items()}
    whole = sum(typical.values())
    return {kind: own / whole for kind, own in sorted(typical.items(), key=lambda item: -item[1])}


def kind_of(step: Step) -> str:
    """What a step is counted as."""
    if step.operation == "binary":
        return "binary 1 x 1" if step.kernel == 1 else "binary k x k"
    if step.operation in ("conv", "dense"):
        return "real convolutions, dense"
    return "pools" if step.operation.startswith("pool") else "copies, sums, means"


@njit
def _count(words, weights, counts, times):  # type: ignore[no-untyped-def]
    depth, lanes = words.size // TILE, counts.size // TILE
    for _ in range(times):
        multiply(words, 0, 1, TILE, TILE, depth, weights, 0, counts, 0, lanes)


def ceilings(turns: int) -> tuple[float, float]:
    """1-bit MACs a second of the innermost loop on cached words, and bytes a second that memory copies."""
    depth, lanes, times = 64, BLOCK_BYTES // 8, 20_000
    words, weights = np.arange(depth * TILE, dtype=np.uint64), np.arange(depth * lanes, dtype=np.uint64)
    counts = np.zeros(TILE * lanes, np.int32)
    source, target = np.ones(1 << 25, np.float32), np.empty(1 << 25, np.float32)
    best = {
        name: min(seconds)
        for name, seconds in race(
            {
                "count": lambda: _count(words, weights, counts, times),
                "copy": lambda: np.copyto(target, source),
            },
            turns,
        ).items()
    }
    return times * TILE * weights.size * 64 / best["count"], 2 * source.nbytes / best["copy"]


def traffic(program: Program) -> int:
    """Bytes of maps and signs that the steps read and write, an image."""
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command.parser("analysis.packed_speed", __doc__)
    asked.add_argument("--spaces", nargs="+", default=SPACES, help="default: " + " ".join(SPACES))
    asked.add_argument("--batch", type=int, default=16, help="images of a turn (default %(default)s)")
    asked.add_argument("--turns", type=int, default=7, help="of each contestant (default %(default)s)")
    command.run(_study, asked, arguments)


def _study(asked: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    # Once glibc has seen a block of 31 MiB freed, it keeps such blocks: no contestant waits for fresh pages.
    torch.empty(31 << 20, dtype=torch.uint8)
    features = [name for name in _FEATURES if binding.get_host_cpu_features().get(name)]
    print(f"{processor()} ({', '.join(features)}), torch {torch.__version__}, one thread")
    macs, bandwidth = ceilings(asked.turns)
    print(
        f"innermost loop alone {macs / 1e9:,.0f} G binary MAC/s, memory copies {bandwidth / 1e9:.0f} GB/s\n"
    )
    print(f"{'space':18} {'network':9} {'part':12} {'Mbop':>6} {'ms/image':>9}  PyTorch takes (quartiles)")
    rows: list[Ratio] = []
    profiles: dict[str, dict[str, float]] = {}
    distances: dict[str, dict[str, float]] = {}
    for space in map(load, asked.spaces):
        for name, architecture in networks(space).items():
            found = compare(space, name, architecture, asked.batch, asked.turns)
            rows += found
            for row in found:
                print(
                    f"{row.space:18} {row.network:9} {row.part:12} {row.mbops:6.1f} {row.packed_ms:9.3f}"
                    f"  {row.ratio:5.2f} x {row.beside:8} ({row.low:.2f} to {row.high:.2f})"
                )
            if name == "median":
                x = torch.randn(_CHUNK, *space.image)
                program = compile_network(calibrated(space.draw(architecture), x))
                profiles[space.name] = shares(program, x.numpy(), asked.turns)
                seconds = min(race({"run": partial(program.run, x.numpy())}, asked.turns)["run"])
                distances[space.name] = {
                    "of the innermost loop": space.cost(architecture).bops * _CHUNK / seconds / macs,
                    "of the memory's bandwidth": traffic(program) * _CHUNK / seconds / bandwidth,
                }
    for name, kinds in profiles.items():
        print(f"\ntime of the median network of {name}, which does ", end="")
        print(", ".join(f"{share:.0%} {what}" for what, share in distances[name].items()))
        print("\n".join(f"  {kind:26} {share:6.1%}" for kind, share in kinds.items()))
    if asked.format == "json":
        figures = {
            "processor": processor(),
            "features": features,
            "torch": torch.__version__,
            "targets": TARGETS,
            "ceilings": {"macs_per_second": macs, "bytes_per_second": bandwidth},
            "ratios": [asdict(row) for row in rows],
            "profiles": profiles,
            "distances": distances,
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
