"""How long one image takes: as a packed program, in PyTorch and in ONNX Runtime, one thread each.

    python -m analysis.latency

The smallest, the median and the largest network (by ops) of every space take one made-up image. PyTorch runs
the network as it is (eager) and folded once; ONNX Runtime runs what `evo-bnas export --to onnx` writes, with
weights of ±1 as float32. They take turns in one process, and ratios are taken turn by turn.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from analysis import command
from analysis.packed_speed import calibrated, in_torch, networks, race
from evo_bnas.binary.network import Network
from evo_bnas.export.onnx import export_onnx
from evo_bnas.machine import processor
from evo_bnas.packed.compile import forms_of_network
from evo_bnas.packed.file import Header, PackedNetwork
from evo_bnas.space.catalogue import load
from evo_bnas.space.genes import Architecture, Space

SPACES = ("elastic-8", "group-mobile-32", "elastic-mobile-32", "binary-cell-32")


@dataclass(frozen=True, slots=True)
class Row:
    """Milliseconds of one image, and how many times as long it takes elsewhere (quartiles over turns)."""

    space: str
    network: str  # smallest | median | largest
    beside: str
    packed_ms: float
    ms: float
    ratio: float
    low: float
    high: float


def compare(space: Space, name: str, architecture: Architecture, turns: int) -> list[Row]:
    """One network beside the others' ways to run it."""
    calibration = torch.randn(8, *space.image, generator=torch.Generator().manual_seed(0))
    network = calibrated(space.draw(architecture), calibration)
    image = calibration[:1]
    nchw = image.numpy()
    folded = in_torch(network, torch.float32)
    last = image.contiguous(memory_format=torch.channels_last)
    packed = _packed(space, architecture, network)
    contestants: dict[str, Callable[[], object]] = {
        "packed": partial(packed.program.run, nchw),
        "PyTorch, eager": torch.inference_mode()(partial(network, image)),
        "PyTorch, folded": partial(folded, last),
        "ONNX Runtime": _in_onnx(packed, nchw),
    }
    times = {one: np.array(seconds) * 1e3 for one, seconds in race(contestants, turns).items()}
    mine = times.pop("packed")
    rows = []
    for beside, theirs in times.items():
        low, ratio, high = np.quantile(theirs / mine, [0.25, 0.5, 0.75]).tolist()
        own, other = float(np.median(mine)), float(np.median(theirs))
        rows.append(Row(space.name, name, beside, own, other, ratio, low, high))
    return rows


def _packed(space: Space, architecture: Architecture, network: Network) -> PackedNetwork:
    """The network as a file would hold it; raw pixels are taken as they are."""
    channels = space.image[0]
    header = Header(
        key=architecture.key,
        space=space.name,
        blueprint=network.blueprint.nodes,
        data="made up",
        classes=tuple(map(str, range(space.classes))),
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        white=255,
        test_error=0.0,
    )
    return PackedNetwork(header, forms_of_network(network))


def _in_onnx(packed: PackedNetwork, image: np.ndarray) -> Callable[[], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(packed, path)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda: session.run(None, {given.name: image})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command.parser("analysis.latency", __doc__)
    asked.add_argument("--spaces", nargs="+", default=SPACES, help="default: " + " ".join(SPACES))
    asked.add_argument("--turns", type=int, default=40, help="of each contestant (default %(default)s)")
    command.run(_study, asked, arguments)


def _study(asked: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    print(f"{processor()}, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, one thread\n")
    print(f"{'space':18} {'network':9} {'packed':>9}  beside             takes  times as long (quartiles)")
    rows: list[Row] = []
    for space in map(load, asked.spaces):
        for name, architecture in networks(space).items():
            found = compare(space, name, architecture, asked.turns)
            rows += found
            for row in found:
                print(
                    f"{row.space:18} {row.network:9} {row.packed_ms:6.2f} ms  {row.beside:16} "
                    f"{row.ms:6.2f} ms  {row.ratio:.1f} ({row.low:.1f} to {row.high:.1f})"
                )
    if asked.format == "json":
        print(json.dumps({"processor": processor(), "rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
