"""How fast a supernet is trained, by this library and by a plain loop as the field's repositories write it.

The plain loop (`analysis/shared/plain_loop.py`) draws the same architectures of the same space. The
contestants take turns step by step in one process, so that other work on the machine slows all of them, and
ratios are taken turn by turn. Images are random, in the shape of the space. Peak memory is the growth of a
process of its own while it trains (on a GPU, torch's own count).
"""

import resource
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from analysis.shared import plain_loop
from analysis.shared.markdown import percent, quartiles, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from analysis.shared.timing import milliseconds, race, ratio
from evo_bnas.binary.execute import Mode
from evo_bnas.errors import UsageError
from evo_bnas.space.catalogue import load
from evo_bnas.supernet.samplers import SAMPLERS, Sampler, uniform
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.augment import augment
from evo_bnas.train.precision import Precision, autocast
from evo_bnas.train.settings import AugmentationSettings

TARGETS = {"cpu": 1.5, "cuda": 3.0}  # times the images/s of the plain loop, on 2 cores and on a GPU
PLAIN = "plain loop"

_IMAGES = 2_048
_PAD = 4
_WARM_UP = 2
_FEATURES = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16")

Step = Callable[[], object]  # one optimizer step

# The kind of work of a profiler event, by its name or that of the nearest event around it.
_KINDS = {
    "mkldnn_convolution": "convolution, forward",
    "cudnn_convolution": "convolution, forward",
    "_slow_conv2d_forward": "convolution, forward",
    "convolution_backward": "convolution, backward",
    "batch_norm": "norm",
    "_Sign": "sign",
    "prelu": "activation",
    "_RPReLU": "activation",
    "_Standardise": "standardised weights",
    "Optimizer": "optimizer",
    "data": "data",
}
OTHER = "additions, copies and the rest"


@dataclass(frozen=True, slots=True)
class Work:
    """What is trained, and where."""

    space: str
    batch: int
    device: str
    workers: int  # of the plain loop's data loader


def _has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for products of bfloat16; without them float32 is faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = torch.cpu.get_capabilities()
    return any(features.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def library(work: Work, precision: Precision, sampler: Sampler = uniform) -> Step:
    """Training as `train_supernet` does it, without checkpoints."""
    device = torch.device(work.device)
    supernet, images, labels = _start(work)
    optimizer = torch.optim.Adam(supernet.parameters(), fused=True)
    settings = AugmentationSettings(crop=_PAD, flip=True)
    noise = torch.Generator(device).manual_seed(0)
    numbers = count()

    def step() -> None:
        with record_function("data"):
            chosen = torch.randperm(len(images))[: work.batch].to(device)
            x, y = augment(images[chosen], settings, noise), labels[chosen]
        optimizer.zero_grad()
        drawn = sampler(supernet.space, np.random.default_rng(next(numbers)))
        for architecture in drawn:
            with autocast(precision, device):
                logits = supernet(x, architecture, mode=Mode(sign_gradient="ste"))
                loss = F.cross_entropy(logits, y) / len(drawn)
            loss.backward()
        optimizer.step()
        _wait_for(work.device)

    return step


def plain(work: Work) -> Step:
    """Training by the plain loop, one architecture a step."""
    supernet, images, labels = _start(work)
    optimizer = torch.optim.Adam(supernet.parameters())
    batches = plain_loop.batches(images.cpu(), labels.cpu(), work.batch, _PAD, work.workers)
    numbers = count()

    def step() -> None:
        with record_function("data"):
            x, y = (part.to(work.device) for part in next(batches))
        optimizer.zero_grad()
        (architecture,) = uniform(supernet.space, np.random.default_rng(next(numbers)))
        F.cross_entropy(plain_loop.forward(supernet, architecture, x), y).backward()
        optimizer.step()
        _wait_for(work.device)

    return step


def contestants(work: Work) -> dict[str, Callable[[], Step]]:
    """The plain loop first, then the library in the formats that are fast on the device."""
    precisions: list[Precision] = ["float32"]
    if _has_bfloat16(torch.device(work.device)):
        precisions.append("bfloat16")
    own = {f"evo-bnas, {precision}": _of(work, precision) for precision in precisions}
    return {PLAIN: lambda: plain(work), **own}


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--space", default="group-mobile-32", help="of react blocks (default %(default)s)")
    parser.add_argument("--batch", type=int, default=64, help="images of a step (default %(default)s)")
    parser.add_argument("--turns", type=int, default=9, help="steps of each contestant (default %(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=(2, 1), help="of torch (default 2 and 1)")
    parser.add_argument("--workers", type=int, default=2, help="of the data loader (default %(default)s)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Ratios for each number of threads, peak memory, images a second by sampler, and shares of a step."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no GPU; leave the option out to measure the CPU")
    work = Work(options.space, options.batch, options.device, options.workers)
    first = options.threads[0]
    # Memory first, in processes of their own.
    memory = {name: _in_a_process(work, name, first) for name in contestants(work)}
    steps = {name: make() for name, make in contestants(work).items()}
    ratios = {str(threads): _raced(steps, threads, options.turns) for threads in options.threads}
    torch.set_num_threads(first)
    fastest = max(set(steps) - {PLAIN}, key=lambda name: ratios[str(first)][name]["ratio"][1])
    precision: Precision = "bfloat16" if fastest.endswith("bfloat16") else "float32"
    turns = max(options.turns // 3, 1)
    return {
        "features": [name for name in _FEATURES if torch.cpu.get_capabilities().get(name)],
        "ratios": ratios,
        "peak_bytes": memory,
        "images_per_second": {
            "contestant": fastest,
            "by_sampler": {
                name: _speed(library(work, precision, sampler), turns, work.batch)
                for name, sampler in SAMPLERS.items()
            },
        },
        "shares": {name: _profiled(step, work.device) for name, step in steps.items()},
    }


def _raced(steps: Mapping[str, Step], threads: int, turns: int) -> dict[str, Any]:
    """Milliseconds of a step, and how many times as many steps as the plain loop a contestant does."""
    torch.set_num_threads(threads)
    seconds = race(steps, turns, _WARM_UP)
    return {
        name: {"ms": milliseconds(own), "ratio": ratio(seconds[PLAIN], own)} for name, own in seconds.items()
    }


def _speed(step: Step, turns: int, batch: int) -> float:
    """Images per second of training."""
    return turns * batch / float(race({"step": step}, turns)["step"].sum())


def _profiled(step: Step, device: str) -> dict[str, float]:
    """Share of each kind of work in one step."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    step()
    with profile(activities=activities) as profiler:
        step()
    spent: dict[str, float] = {}
    for event in profiler.events() or ():
        own = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        kind = _kind(event)
        spent[kind] = spent.get(kind, 0.0) + own
    whole = sum(spent.values())
    return {kind: own / whole for kind, own in sorted(spent.items(), key=lambda item: -item[1])}


def _kind(event: FunctionEvent) -> str:
    inside: FunctionEvent | None = event
    while inside is not None:
        for name, kind in _KINDS.items():
            if name in inside.name:
                return kind
        inside = inside.cpu_parent
    return OTHER


def _peak(work: Work, name: str, threads: int, steps: int) -> int:
    """Bytes that this process, which should be a fresh one, grows by in a few steps."""
    torch.set_num_threads(threads)
    step = contestants(work)[name]()
    before = _resident()
    for _ in range(steps):
        step()
    if work.device == "cuda":
        return torch.cuda.max_memory_allocated()
    return _resident() - before


def _in_a_process(work: Work, name: str, threads: int) -> int:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak, work, name, threads, 3).result()


def _resident() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _start(work: Work) -> tuple[Supernet, torch.Tensor, torch.Tensor]:
    space = load(work.space)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_IMAGES, *space.image, generator=generator).to(work.device)
    labels = torch.randint(space.classes, (_IMAGES,), generator=generator).to(work.device)
    return Supernet(space).to(work.device), images, labels


def _of(work: Work, precision: Precision) -> Callable[[], Step]:
    return lambda: library(work, precision)


def _wait_for(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def render(result: Result) -> str:
    """One row for each contestant, one for each sampler, one for each kind of work."""
    figures, threads = result.figures, result.options["threads"]
    titles = [f"{number} thread{'s' * (number > 1)}" for number in threads]
    ratios = [figures["ratios"][str(number)] for number in threads]
    speeds = [
        [
            name,
            *(f"{own[name]['ms']:.0f} ms a step" if name == PLAIN else quartiles(own[name]["ratio"])
              for own in ratios),
            f"{size / 2**20:,.0f} MiB",
        ]
        for name, size in figures["peak_bytes"].items()
    ]  # fmt: skip
    images = figures["images_per_second"]
    samplers = [[f"`{name}`", f"{speed:,.0f}"] for name, speed in images["by_sampler"].items()]
    shares = figures["shares"]
    kinds = dict.fromkeys(kind for own in shares.values() for kind in own)
    work = [[kind, *(percent(own.get(kind, 0)) for own in shares.values())] for kind in kinds]
    return (
        f"{result.options['space']}, batches of {result.options['batch']}, a processor with "
        f"{', '.join(figures['features'])}. Ratios say how many times as many steps as the plain loop; the "
        f"target is {TARGETS[result.options['device']]:g}.\n\n"
        f"{table(['', *titles, 'peak memory'], speeds)}\n\n"
        f"{images['contestant']} with {titles[0]}, by sampler:\n\n"
        f"{table(['sampler', 'images/s'], samplers)}\n\n"
        f"Shares of a step with {titles[0]}:\n\n{table(['work', *shares], work)}"
    )


STUDY = Study(
    about=__doc__,
    section="Training speed",
    minutes=5,
    measure=measure,
    render=render,
    options=options,
    timing=True,
    threads=2,
)
