"""What the interpreter of blueprints costs: `Network` and `Supernet` against a module written by hand.

Run it with `python -m analysis.overhead`. The three share the sign, the RPReLU, the standardised weights
and the kernels of torch; the hand-written one reads no blueprint. They take turns in one process, so that a
machine that is busy now and then slows all of them, and the ratio is taken turn by turn.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evo_bnas.binary.fold import NORM_EPS, Statistics
from evo_bnas.binary.prelu import rprelu
from evo_bnas.binary.sign import Approx, rsign, sign
from evo_bnas.binary.weights import standardise
from evo_bnas.machine import processor
from evo_bnas.space.catalogue import load
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet

TARGET = 1.05

_WARM_UP = 3


class Norm(nn.Module):
    """A batch norm by the batch in training, by fixed statistics in evaluation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return F.batch_norm(x, None, None, self.gain, self.bias, training=True, eps=NORM_EPS)
        mean, var = self.get_buffer("mean"), self.get_buffer("var")
        return F.batch_norm(x, mean, var, self.gain, self.bias, eps=NORM_EPS)


class RPReLU(nn.Module):
    """A PReLU between two learned shifts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels,), 0.25))
        self.shift_in = nn.Parameter(torch.zeros(channels))
        self.shift_out = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return rprelu(x, self.slope, self.shift_in, self.shift_out)


class BinaryLayer(nn.Module):
    """Shift, sign, a 1-bit convolution with channel shuffle, norm, shortcut, RPReLU."""

    def __init__(self, cin: int, channels: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(cin))
        self.weight = nn.Parameter(torch.randn(channels, cin // groups, kernel, kernel))
        self.norm = Norm(channels)
        self.act = RPReLU(channels)
        self.stride, self.padding, self.groups = stride, kernel // 2, groups

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        weight = sign(standardise(self.weight))
        x = rsign(x, self.shift, Approx())
        x = F.conv2d(x, weight, None, self.stride, self.padding, groups=self.groups)
        if self.groups > 1:
            x = torch.channel_shuffle(x, self.groups)
        activated: Tensor = self.act(self.norm(x) + shortcut)
        return activated


class Block(nn.Module):
    """A k x k layer that keeps its channels, a 1 x 1 layer that widens them."""

    def __init__(self, cin: int, channels: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        self.spatial = BinaryLayer(cin, cin, kernel, stride, groups)
        self.pointwise = BinaryLayer(cin, channels, 1, 1, 1)
        self.stride, self.times, self.channels = stride, -(-channels // cin), channels

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.avg_pool2d(x, self.stride) if self.stride > 1 else x
        x = self.spatial(x, shortcut)
        shortcut = torch.cat([x] * self.times, 1)[:, : self.channels] if self.times > 1 else x
        widened: Tensor = self.pointwise(x, shortcut)
        return widened


class ByHand(nn.Module):
    """A network of the chain spaces as one would write it without them."""

    def __init__(
        self, image: int, stem: int, blocks: Sequence[tuple[int, int, int, int]], classes: int
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(image, stem, 3, padding=1, bias=False)
        self.norm = Norm(stem)
        layers = []
        for channels, kernel, stride, groups in blocks:
            layers.append(Block(stem, channels, kernel, stride, groups))
            stem = channels
        self.blocks = nn.Sequential(*layers)
        self.classifier = nn.Linear(stem, classes)

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            images = images.clone(memory_format=torch.channels_last)
        x = self.blocks(self.norm(self.stem(images)))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


@dataclass(frozen=True, slots=True)
class Case:
    """A network, by its key in a space and by the numbers that one writes by hand."""

    name: str
    space: str
    key: str
    stem: int
    blocks: tuple[tuple[int, int, int, int], ...]  # channels, kernel, stride, groups
    batch: int


CASES = (
    Case(
        "largest of elastic-8",
        "elastic-8",
        "c16-c32d2.k5g1.k5g1-c64d2.k5g1.k5g1-c128d2.k5g1.k5g1",
        16,
        ((32, 5, 1, 1), (32, 5, 1, 1), (64, 5, 2, 1), (64, 5, 1, 1), (128, 5, 2, 1), (128, 5, 1, 1)),
        128,
    ),
    Case(
        "median of elastic-8",
        "elastic-8",
        "c8-c32d1.k5g1-c48d1.k5g2-c128d2.k5g2.k5g4",
        8,
        ((32, 5, 1, 1), (48, 5, 2, 2), (128, 5, 2, 2), (128, 5, 1, 4)),
        128,
    ),
    Case(
        "smallest of group-mobile-32",
        "group-mobile-32",
        "g4-g8.g8-g8.g8-g8.g8.g8",
        32,
        (
            (64, 3, 1, 4),
            *((128, 3, 2, 8), (128, 3, 1, 8)),
            *((256, 3, 2, 8), (256, 3, 1, 8)),
            *((512, 3, 2, 8), (512, 3, 1, 8), (512, 3, 1, 8)),
        ),
        32,
    ),
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much longer one contestant takes than the hand-written module."""

    case: str
    what: str  # "training step" | "inference"
    contestant: str  # "Network" | "Supernet"
    by_hand_ms: float
    ms: float
    ratio: float  # median over turns, with quartiles
    low: float
    high: float


def measure(case: Case, repeats: int) -> list[Ratio]:
    """Time one case; raises AssertionError where the contestants do not compute the same."""
    torch.manual_seed(0)
    space = load(case.space)
    architecture = space.parse(case.key)
    images = torch.randn(case.batch, *space.image)
    labels = torch.randint(space.classes, (case.batch,))

    supernet = Supernet(space)
    own = partial(supernet, architecture=architecture)
    statistics = calibrate(own, images, case.batch)
    network = supernet.extract(architecture, statistics)
    by_hand = ByHand(space.image[0], case.stem, case.blocks, space.classes)
    _copy(network, statistics, by_hand)

    def seen(forward: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        return torch.no_grad()(partial(forward, images))

    def step(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        optimizer = torch.optim.Adam(module.parameters(), lr=0.0, fused=True)

        def run() -> None:
            optimizer.zero_grad()
            F.cross_entropy(forward(images), labels).backward()
            optimizer.step()

        return run

    modules: dict[str, nn.Module] = {"by hand": by_hand, "Network": network, "Supernet": supernet}
    training: dict[str, Callable[[Tensor], Tensor]] = {
        "by hand": by_hand,
        "Network": network,
        "Supernet": own,
    }
    inference = training | {"Supernet": partial(own, norm=statistics)}

    for module in modules.values():
        module.train()
    _same({name: forward(images) for name, forward in training.items()}, 1e-5)
    rows = _turns(case, "training step", {n: step(modules[n], training[n]) for n in modules}, repeats)

    for module in modules.values():
        module.eval()
    _same({name: forward(images) for name, forward in inference.items()}, 1e-3)
    rows += _turns(case, "inference", {name: seen(inference[name]) for name in modules}, repeats)
    return rows


def _copy(network: nn.Module, statistics: Statistics, by_hand: ByHand) -> None:
    """Give the hand-written module the network's tensors; both list them in the order of the layers."""
    with torch.no_grad():
        for theirs, ours in zip(by_hand.parameters(), network.parameters(), strict=True):
            theirs.copy_(ours.view_as(theirs))
        for layer in by_hand.modules():
            if isinstance(layer, BinaryLayer):
                # The blueprint's rows are in the order of the shuffled output, torch's in that of the groups.
                rows = layer.weight.unflatten(0, (-1, layer.groups)).transpose(0, 1).flatten(0, 1)
                layer.weight.copy_(rows.clone())
        for buffer, value in zip(by_hand.buffers(), statistics.values(), strict=True):
            buffer.copy_(value)


def _same(outputs: dict[str, Tensor], tolerance: float) -> None:
    """All but a few images must agree: norms round differently, and may flip a sign that is nearly 0."""
    reference = outputs["by hand"]
    for name, found in outputs.items():
        far = (found - reference).abs().amax(1) > tolerance * reference.abs().amax()
        assert far.float().mean() < 0.05, f"{name} computes something else on {int(far.sum())} images"


def _turns(case: Case, what: str, runs: dict[str, Callable[[], object]], repeats: int) -> list[Ratio]:
    times = np.array([[_seconds(run) for run in runs.values()] for _ in range(_WARM_UP + repeats)])
    times = times[_WARM_UP:] * 1000
    rows = []
    for column, name in enumerate(runs):
        if column:
            low, median, high = np.quantile(times[:, column] / times[:, 0], [0.25, 0.5, 0.75]).tolist()
            by_hand, own = np.median(times[:, [0, column]], axis=0).tolist()
            rows.append(Ratio(case.name, what, name, by_hand, own, median, low, high))
    return rows


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all cases and print them."""
    parser = argparse.ArgumentParser(prog="python -m analysis.overhead", description=__doc__)
    parser.add_argument("--repeats", type=int, default=40, help="turns of each case (default %(default)s)")
    # With several threads and another program on the machine, one measures how they wait for each other.
    parser.add_argument("--threads", type=int, default=1, help="of torch (default %(default)s)")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)

    print(f"{processor()}, torch {torch.__version__}, {asked.threads} threads, {asked.repeats} turns")
    rows = [row for case in CASES for row in measure(case, asked.repeats)]
    if asked.format == "json":
        figures = {
            "processor": processor(),
            "torch": torch.__version__,
            "threads": asked.threads,
            "repeats": asked.repeats,
            "target": TARGET,
            "rows": [{name: getattr(row, name) for name in Ratio.__slots__} for row in rows],
        }
        print(json.dumps(figures))
        return
    print(f"{'network':28} {'what':14} {'contestant':10} {'by hand':>9} {'own':>9}  ratio (quartiles)")
    for row in rows:
        print(
            f"{row.case:28} {row.what:14} {row.contestant:10} {row.by_hand_ms:6.1f} ms {row.ms:6.1f} ms"
            f"  {row.ratio:.3f} ({row.low:.3f} to {row.high:.3f})"
        )


if __name__ == "__main__":
    main()
