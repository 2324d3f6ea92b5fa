"""How long one image takes: as a packed program, in PyTorch and in ONNX Runtime, on one thread each.

The median network (by ops) of every space takes one random image. PyTorch runs the network as it is (eager)
and folded once; ONNX Runtime runs what `evo-bnas export --to onnx` writes, with weights of ±1 as float32.
They take turns in one process, and ratios are taken turn by turn.
"""

import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from analysis.shared.inference import calibrated, folded, median_network
from analysis.shared.markdown import quartiles, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from analysis.shared.timing import milliseconds, race, ratio
from evo_bnas.binary.network import Network
from evo_bnas.export.onnx import export_onnx
from evo_bnas.packed.compile import forms_of_network
from evo_bnas.packed.file import Header, PackedNetwork
from evo_bnas.space.catalogue import load
from evo_bnas.space.genes import Architecture, Space

SPACES = ("elastic-8", "group-mobile-32", "elastic-mobile-32", "binary-cell-32")


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--spaces", nargs="+", default=SPACES, help="default: " + " ".join(SPACES))
    parser.add_argument("--turns", type=int, default=40, help="of each contestant (default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Milliseconds of the packed program, and how many times as long the others take, by space."""
    torch.set_num_threads(1)
    return {space.name: _compared(space, options.turns) for space in map(load, options.spaces)}


def _compared(space: Space, turns: int) -> dict[str, Any]:
    architecture = median_network(space)
    calibration = torch.randn(8, *space.image, generator=torch.Generator().manual_seed(0))
    network = calibrated(space.draw(architecture), calibration)
    image = calibration[:1]
    last = image.contiguous(memory_format=torch.channels_last)
    packed = _packed(space, architecture, network)
    seconds = race(
        {
            "packed": partial(packed.program.run, image.numpy()),
            "PyTorch, eager": torch.inference_mode()(partial(network, image)),
            "PyTorch, folded": partial(folded(network, torch.float32), last),
            "ONNX Runtime": _in_onnx(packed, image.numpy()),
        },
        turns,
    )
    ours = seconds.pop("packed")
    return {"packed_ms": milliseconds(ours)} | {name: ratio(theirs, ours) for name, theirs in seconds.items()}


def _packed(space: Space, architecture: Architecture, network: Network) -> PackedNetwork:
    """The network as a file holds it, for raw pixels that need no normalisation."""
    channels = space.image[0]
    header = Header(
        key=architecture.key,
        space=space.name,
        blueprint=network.blueprint.nodes,
        data="random",
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


def render(result: Result) -> str:
    """One row for each space."""
    others = [name for name in next(iter(result.figures.values())) if name != "packed_ms"]
    columns = ["median network of", "packed", *(f"{name}: times as long" for name in others)]
    rows = [
        [space, f"{own['packed_ms']:.2f} ms", *(quartiles(own[name], "{:.1f}") for name in others)]
        for space, own in result.figures.items()
    ]
    return table(columns, rows)


STUDY = Study(
    about=__doc__,
    section="One image on one thread",
    minutes=3,
    measure=measure,
    render=render,
    options=options,
    timing=True,
)
