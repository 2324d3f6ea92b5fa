"""What the interpreter of blueprints costs: `Network` and `Supernet` against a hand-written module.

All three share the sign, the RPReLU, the standardised weights and the kernels of torch; the hand-written
module reads no blueprint. They take turns in one process, so that other work on the machine slows all of
them, and ratios are taken turn by turn.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from analysis.shared.hand_written import HandWritten, copy_into
from analysis.shared.markdown import percent, quartiles, table, verdict
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study, refuse_unknown
from analysis.shared.timing import milliseconds, race, ratio
from evo_bnas.space.catalogue import load
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet

TARGET = 1.05

_WARM_UP = 3
_HAND_WRITTEN, _OURS = "hand-written", ("Network", "Supernet")


@dataclass(frozen=True, slots=True)
class Case:
    """A network, by its key in a space and by the numbers of the hand-written module."""

    space: str
    key: str
    stem: int
    blocks: tuple[tuple[int, int, int, int], ...]  # channels, kernel, stride, groups
    batch: int


CASES: Mapping[str, Case] = {
    "largest of elastic-8": Case(
        "elastic-8",
        "c16-c32d2.k5g1.k5g1-c64d2.k5g1.k5g1-c128d2.k5g1.k5g1",
        16,
        ((32, 5, 1, 1), (32, 5, 1, 1), (64, 5, 2, 1), (64, 5, 1, 1), (128, 5, 2, 1), (128, 5, 1, 1)),
        128,
    ),
    "median of elastic-8": Case(
        "elastic-8",
        "c8-c32d1.k5g1-c48d1.k5g2-c128d2.k5g2.k5g4",
        8,
        ((32, 5, 1, 1), (48, 5, 2, 2), (128, 5, 2, 2), (128, 5, 1, 4)),
        128,
    ),
    "smallest of group-mobile-32": Case(
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
}


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--cases", nargs="+", default=tuple(CASES), help="default: all")
    parser.add_argument("--turns", type=int, default=40, help="of each case (default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Time every case; raises AssertionError if the contestants do not compute the same."""
    refuse_unknown("--cases", options.cases, CASES)
    torch.set_num_threads(1)
    return {name: _measured(CASES[name], options.turns) for name in options.cases}


def _measured(case: Case, turns: int) -> dict[str, Any]:
    torch.manual_seed(0)
    space = load(case.space)
    architecture = space.parse(case.key)
    images = torch.randn(case.batch, *space.image)
    labels = torch.randint(space.classes, (case.batch,))

    supernet = Supernet(space)
    own = partial(supernet, architecture=architecture)
    statistics = calibrate(own, images, case.batch)
    network = supernet.extract(architecture, statistics)
    hand_written = HandWritten(space.image[0], case.stem, case.blocks, space.classes)
    copy_into(hand_written, network, statistics)

    def inference(forward: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        return torch.no_grad()(partial(forward, images))

    def step(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        optimizer = torch.optim.Adam(module.parameters(), lr=0.0, fused=True)

        def run() -> None:
            optimizer.zero_grad()
            F.cross_entropy(forward(images), labels).backward()
            optimizer.step()

        return run

    modules: dict[str, nn.Module] = {_HAND_WRITTEN: hand_written, "Network": network, "Supernet": supernet}
    training: dict[str, Callable[[Tensor], Tensor]] = {
        _HAND_WRITTEN: hand_written,
        "Network": network,
        "Supernet": own,
    }
    for module in modules.values():
        module.train()
    check_same({name: forward(images) for name, forward in training.items()}, 1e-5)
    steps = {name: step(modules[name], training[name]) for name in modules}
    figures = {"batch": case.batch, "training step": _ratios(race(steps, turns, _WARM_UP))}

    evaluation = training | {"Supernet": partial(own, norm=statistics)}
    for module in modules.values():
        module.eval()
    check_same({name: forward(images) for name, forward in evaluation.items()}, 1e-3)
    runs = {name: inference(forward) for name, forward in evaluation.items()}
    return figures | {"inference": _ratios(race(runs, turns, _WARM_UP))}


def check_same(outputs: Mapping[str, Tensor], tolerance: float) -> None:
    """Raise AssertionError if contestants differ on more than a few images.

    Norms round differently, which may flip a sign whose argument is nearly 0.
    """
    reference = outputs[_HAND_WRITTEN]
    for name, output in outputs.items():
        far = (output - reference).abs().amax(1) > tolerance * reference.abs().amax()
        assert far.float().mean() < 0.05, f"{name} computes something else on {int(far.sum())} images"


def _ratios(seconds: Mapping[str, np.ndarray]) -> dict[str, Any]:
    reference = seconds[_HAND_WRITTEN]
    return {"ms": milliseconds(reference)} | {name: ratio(seconds[name], reference) for name in _OURS}


def render(result: Result) -> str:
    """One row for each network."""
    columns = ["network", *(f"{what}: {name}" for what in ("training step", "inference")
                            for name in (_HAND_WRITTEN, *_OURS))]  # fmt: skip
    rows, missed = [], []
    for name, figures in result.figures.items():
        cells = [f"{name}, batch {figures['batch']}"]
        for what in ("training step", "inference"):
            own = figures[what]
            cells += [f"{own['ms']:.1f} ms", *(quartiles(own[ours], "{:.3f}") for ours in _OURS)]
            missed += [f"{name}, {what}, {ours}" for ours in _OURS if own[ours][1] > TARGET]
        rows.append(cells)
    return (
        f"{table(columns, rows)}\n\nThe target is {percent(TARGET - 1)} more time at most. {verdict(missed)}"
    )


STUDY = Study(
    about=__doc__,
    section="The interpreter of blueprints against a hand-written module",
    minutes=3,
    measure=measure,
    render=render,
    options=options,
    timing=True,
)
