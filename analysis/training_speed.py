"""How fast a supernet is trained: by this library, and by a plain loop as the field's repositories have it.

    python -m analysis.training_speed

The plain loop (`analysis/plain_loop.py`) draws the same architectures of the same space. The contestants
take turns step by step in one process, so that a machine that is busy now and then slows all of them, and
the ratio is taken turn by turn. Images are made up, in the shape of the space. Peak memory is what a
process of its own grows by while it trains (torch's own count on a GPU).
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context

import numpy as np
import torch
import torch.nn.functional as F
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from analysis import command, plain_loop
from evo_bnas.binary.execute import Mode
from evo_bnas.errors import UsageError
from evo_bnas.machine import processor
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

Step = Callable[[int], object]  # one optimizer step, by its number

# What an event of the profiler belongs to, by the name of itself or of the nearest one around it.
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


@dataclass(frozen=True, slots=True)
class Ratio:
    """The time of the plain loop's step divided by that of a contestant."""

    threads: int
    contestant: str
    plain_ms: float
    ms: float
    ratio: float  # median over turns, with quartiles
    low: float
    high: float


def library(work: Work, precision: Precision, sampler: Sampler = uniform) -> Step:
    """Training as `train_supernet` does it, without checkpoints."""
    device = torch.device(work.device)
    supernet, images, labels = _start(work)
    optimizer = torch.optim.Adam(supernet.parameters(), fused=True)
    settings = AugmentationSettings(crop=_PAD, flip=True)
    noise = torch.Generator(device).manual_seed(0)

    def step(number: int) -> None:
        with record_function("data"):
            chosen = torch.randperm(len(images))[: work.batch].to(device)
            x, y = augment(images[chosen], settings, noise), labels[chosen]
        optimizer.zero_grad()
        drawn = sampler(supernet.space, np.random.default_rng(number))
        for architecture in drawn:
            with autocast(precision, device):
                logits = supernet(x, architecture, mode=Mode(sign_gradient="ste"))
                loss = F.cross_entropy(logits, y) / len(drawn)
            loss.backward()
        optimizer.step()

    return step


def plain(work: Work) -> Step:
    """Training by the plain loop, one architecture a step."""
    supernet, images, labels = _start(work)
    optimizer = torch.optim.Adam(supernet.parameters())
    batches = plain_loop.batches(images.cpu(), labels.cpu(), work.batch, _PAD, work.workers)

    def step(number: int) -> None:
        with record_function("data"):
            x, y = (part.to(work.device) for part in next(batches))
        optimizer.zero_grad()
        (architecture,) = uniform(supernet.space, np.random.default_rng(number))
        F.cross_entropy(plain_loop.forward(supernet, architecture, x), y).backward()
        optimizer.step()

    return step


def contestants(work: Work) -> dict[str, Callable[[], Step]]:
    """The plain loop first, then the library in the formats that the device is fast in."""
    precisions: list[Precision] = ["float32"]
    if _fast_in_bfloat16(torch.device(work.device)):
        precisions.append("bfloat16")
    own = {f"evo-bnas, {precision}": _of(work, precision) for precision in precisions}
    return {PLAIN: lambda: plain(work), **own}


def _fast_in_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for products in bfloat16; without them float32 is faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = torch.cpu.get_capabilities()
    return any(features.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def race(steps: Mapping[str, Step], threads: int, turns: int, device: str) -> list[Ratio]:
    """Time the contestants by turns; every turn is one step with the same architecture."""
    torch.set_num_threads(threads)
    times = [[_seconds(step, turn, device) for step in steps.values()] for turn in range(_WARM_UP + turns)]
    taken = np.array(times[_WARM_UP:]) * 1000
    rows = []
    for column, name in enumerate(steps):
        if name != PLAIN:
            low, median, high = np.quantile(taken[:, 0] / taken[:, column], [0.25, 0.5, 0.75]).tolist()
            plain_ms, own_ms = np.median(taken[:, [0, column]], axis=0).tolist()
            rows.append(Ratio(threads, name, plain_ms, own_ms, median, low, high))
    return rows


def speed(step: Step, turns: int, work: Work) -> float:
    """Images per second of training, over so many steps."""
    step(0)
    return turns * work.batch / sum(_seconds(step, turn, work.device) for turn in range(1, turns + 1))


def profiled(step: Step, device: str) -> dict[str, float]:
    """Share of each kind of work in one step."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    step(0)
    with profile(activities=activities) as profiler:
        step(0)
    spent: dict[str, float] = {}
    for event in profiler.events() or ():
        own = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        kind = _kind(event)
        spent[kind] = spent.get(kind, 0.0) + own
    whole = sum(spent.values())
    return {kind: own / whole for kind, own in sorted(spent.items(), key=lambda item: -item[1])}


def peak(work: Work, name: str, threads: int, steps: int) -> int:
    """Bytes that this process, which should be a fresh one, grows by in a few steps."""
    torch.set_num_threads(threads)
    step = contestants(work)[name]()
    before = _resident()
    for number in range(steps):
        step(number)
    if work.device == "cuda":
        return torch.cuda.max_memory_allocated()
    return _resident() - before


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command.parser("analysis.training_speed", __doc__)
    asked.add_argument(
        "--space", default="group-mobile-32", help="a chain of react blocks (default %(default)s)"
    )
    asked.add_argument("--batch", type=int, default=64, help="images of a step (default %(default)s)")
    asked.add_argument("--turns", type=int, default=9, help="steps of each contestant (default %(default)s)")
    asked.add_argument("--threads", type=int, nargs="+", default=[2, 1], help="of torch (default 2 and 1)")
    asked.add_argument("--workers", type=int, default=2, help="of the data loader (default %(default)s)")
    asked.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    command.run(_study, asked, arguments)


def _study(asked: argparse.Namespace) -> None:
    if asked.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees none on this machine; leave the option out for the CPU")
    work = Work(asked.space, asked.batch, asked.device, asked.workers)
    features = [name for name in _FEATURES if torch.cpu.get_capabilities().get(name)]
    print(f"{processor()} ({', '.join(features)}), torch {torch.__version__}, {work.device}")
    print(f"{work.space}, batches of {work.batch}, steps by turns: {asked.turns}\n")

    # Memory first, in processes of their own.
    memory = {name: _in_a_process(work, name, asked.threads[0]) for name in contestants(work)}
    steps = {name: make() for name, make in contestants(work).items()}
    ratios = [row for n in asked.threads for row in race(steps, n, asked.turns, work.device)]
    print(f"{'contestant':20} {'threads':>7} {'plain loop':>13} {'own':>13}  ratio (quartiles)")
    for row in ratios:
        print(
            f"{row.contestant:20} {row.threads:7} {row.plain_ms:7.0f} ms/step {row.ms:7.0f} ms/step"
            f"  {row.ratio:.2f} ({row.low:.2f} to {row.high:.2f})"
        )
    print("\n" + "\n".join(f"{name:20} {size / 2**20:6.0f} MiB at the peak" for name, size in memory.items()))

    torch.set_num_threads(asked.threads[0])
    best = max(ratios, key=lambda row: row.ratio).contestant
    precision: Precision = "bfloat16" if best.endswith("bfloat16") else "float32"
    own = {name: library(work, precision, sampler) for name, sampler in SAMPLERS.items()}
    speeds = {name: speed(step, max(asked.turns // 3, 1), work) for name, step in own.items()}
    print(f"\nimages/s of {best}, {asked.threads[0]} threads: ", end="")
    print(", ".join(f"{name} {figure:,.0f}" for name, figure in speeds.items()))

    profiles = {name: profiled(step, work.device) for name, step in steps.items()}
    for name, shares in profiles.items():
        print(f"\none step of {name}")
        print("\n".join(f"  {kind:32} {share:6.1%}" for kind, share in shares.items()))

    if asked.format == "json":
        figures = {
            "processor": processor(),
            "features": features,
            "torch": torch.__version__,
            **asdict(work),
            "turns": asked.turns,
            "target": TARGETS[work.device],
            "ratios": [asdict(row) for row in ratios],
            "peak_bytes": memory,
            "images_per_second": {"contestant": best, "threads": asked.threads[0], **speeds},
            "profiles": profiles,
        }
        print(json.dumps(figures))


def _start(work: Work) -> tuple[Supernet, torch.Tensor, torch.Tensor]:
    space = load(work.space)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_IMAGES, *space.image, generator=generator).to(work.device)
    labels = torch.randint(space.classes, (_IMAGES,), generator=generator).to(work.device)
    return Supernet(space).to(work.device), images, labels


def _of(work: Work, precision: Precision) -> Callable[[], Step]:
    return lambda: library(work, precision)


def _seconds(step: Step, number: int, device: str) -> float:
    started = time.perf_counter()
    step(number)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _kind(event: FunctionEvent) -> str:
    inside: FunctionEvent | None = event
    while inside is not None:
        for name, kind in _KINDS.items():
            if name in inside.name:
                return kind
        inside = inside.cpu_parent
    return OTHER


def _in_a_process(work: Work, name: str, threads: int) -> int:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(peak, work, name, threads, 3).result()


def _resident() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main()
