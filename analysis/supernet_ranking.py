"""How well supernets rank networks, by how they are trained: samplers, teachers, shared weights, budgets.

Every way trains supernets of the space `tiny-8` for the same CPU time, with several seeds; a teacher that is
trained alone comes on top of that time. The ranking that each supernet gives to all networks is compared with
the errors of the same networks trained alone (`standalone_table`), averaged over their trainings.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from analysis.shared.markdown import percent, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study, refuse_unknown
from analysis.shared.supernet_training import SPACE, Way, train
from evo_bnas.archive.ranking import Agreement, agreement, between_seeds
from evo_bnas.evaluate.table import load_table
from evo_bnas.files.shipped import shipped
from evo_bnas.space import catalogue

_TABLE = shipped("tables") / f"{SPACE}.csv"
_CALIBRATION = 512  # images, as in a run

DEFAULT = "uniform, mask and crop (default)"
WAYS: Mapping[str, Way] = {
    DEFAULT: Way(),
    "fair": Way(sampler="fair"),
    "cost_uniform": Way(sampler="cost_uniform"),
    "sandwich": Way(sampler="sandwich"),
    "sandwich, teacher in place": Way(sampler="sandwich", teacher="in-place"),
    "uniform, teacher in place": Way(teacher="in-place"),
    "uniform, teacher trained alone": Way(teacher="alone"),
    "groups in chunks, as in NAS-BNN": Way(sharing="groups in chunks"),
    "a tensor for every number of groups": Way(sharing="groups apart"),
    "a tensor for every kernel size": Way(sharing="kernels apart"),
    "a tensor for every combination of both": Way(sharing="both apart"),
    "straight-through instead of ApproxSign": Way(sign_gradient="ste"),
    "annealed tanh": Way(sign_gradient="tanh"),
    "real weights for the first 30 %": Way(real_share=0.3),
    "half the time": Way(budget=0.5),
    "twice the time": Way(budget=2.0),
    "four times the time": Way(budget=4.0),
}
CALIBRATIONS = (64, 128, 256, 1024)  # images; the default way is scored with these too


@dataclass(frozen=True, slots=True)
class Truth:
    """Mean error of every network trained alone, and its ops, by the key of the space."""

    errors: Mapping[str, float]
    ops: Mapping[str, float]

    @classmethod
    def read(cls) -> "Truth":
        """The shipped table, whose rows name options as text."""
        known, _ = load_table(_TABLE)
        space = catalogue.load(SPACE)
        columns = [{str(option): index for index, option in enumerate(gene.options)} for gene in space.genes]
        errors, ops = {}, {}
        for row in known.enumerate():
            options = (str(gene.options[option]) for gene, option in zip(known.genes, row.genes, strict=True))
            genes = [column.get(option, 0) for column, option in zip(columns, options, strict=True)]
            key = space.architecture(genes).key
            errors[key], ops[key] = (known.scores[row.key][name] for name in ("error", "ops"))
        return cls(errors, ops)

    def compare(self, errors: Mapping[str, float]) -> Agreement:
        """How well other errors rank the networks."""
        return agreement(
            *([column[key] for key in self.errors] for column in (errors, self.errors, self.ops))
        )


def row(
    name: str, epochs: Sequence[int], errors: Sequence[Mapping[str, float]], truth: Truth
) -> dict[str, Any]:
    """The figures of one way from the errors of its supernets: means over seeds, and the deviation of tau."""
    agreed = [truth.compare(own) for own in errors]
    taus = [one.estimated.tau for one in agreed]
    values = [_known(tau.value) for tau in taus]
    return {
        "way": name,
        "epochs": round(float(np.mean(epochs))),
        "tau": float(np.mean(values)),
        "tau_deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "interval": [float(np.mean([_known(end) for end in ends])) for ends in
                     ([tau.low for tau in taus], [tau.high for tau in taus])],
        "tau_in_bands": float(np.mean([_known(one.estimated.tau_in_bands.value) for one in agreed])),
        "error": float(np.mean([list(own.values()) for own in errors])),
    }  # fmt: skip


def _known(value: float | None) -> float:
    """A figure of a ranking; a supernet that gives all networks the same error ranks nothing."""
    return 0.0 if value is None else value


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--ways", nargs="+", default=tuple(WAYS), help="default: all")
    parser.add_argument("--seeds", type=int, default=3, help="supernets of each way (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0, help="CPU time of each (default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """One row for each way and each number of calibration images; what ops alone and a second seed reach."""
    refuse_unknown("--ways", options.ways, WAYS)
    torch.set_num_threads(1)  # maps of 8 x 8 are too small to share
    truth, rows, calibrated = Truth.read(), [], []
    for name in options.ways:
        sizes = (_CALIBRATION, *CALIBRATIONS) if name == DEFAULT else (_CALIBRATION,)
        scratch = parts.folder / "scratch.safetensors"
        supernets = [
            parts.get(f"{name}-seed{seed}", train, WAYS[name], sizes, seed, options.seconds, scratch)
            for seed in range(options.seeds)
        ]
        epochs = [own["epochs"] for own in supernets]
        by_size = {size: [own["errors"][str(size)] for own in supernets] for size in sizes}
        rows.append(row(name, epochs, by_size.pop(_CALIBRATION), truth))
        calibrated += [
            row(f"calibrated on {size} images", epochs, errors, truth) for size, errors in by_size.items()
        ]
    ops_alone = truth.compare({key: -ops for key, ops in truth.ops.items()}).ops.tau
    return {
        "networks": len(truth.errors),
        "calibration_images": _CALIBRATION,
        "ops_alone": [ops_alone.value, ops_alone.low, ops_alone.high],
        "tau_between_seeds": between_seeds(pd.read_csv(_TABLE).filter(like="error_").to_numpy().T),
        "rows": rows + calibrated,
    }


def render(result: Result) -> str:
    """One row for each way."""
    figures = result.figures
    columns = ["way", "epochs", "tau", "interval", "tau inside bands of ops", "mean error"]
    rows = [
        [
            own["way"],
            f"{own['epochs']}",
            f"{own['tau']:.3f}" + (f" ± {own['tau_deviation']:.3f}" if own["tau_deviation"] else ""),
            "[{:.2f}, {:.2f}]".format(*own["interval"]),
            f"{own['tau_in_bands']:.3f}",
            percent(own["error"], 1),
        ]
        for own in figures["rows"]
    ]
    value, low, high = figures["ops_alone"]
    seeds, seconds = result.options["seeds"], result.options["seconds"]
    return (
        f"{seeds} supernets for each way, {seconds:g} s of CPU time each, "
        f"calibrated on {figures['calibration_images']} images and judged on all {figures['networks']} "
        f"networks. Ops alone reach a tau of {value:.2f} [{low:.2f}, {high:.2f}]; the errors of two "
        f"trainings of the same networks, alone, agree with {figures['tau_between_seeds']:.2f}."
        f"\n\n{table(columns, rows)}"
    )


STUDY = Study(
    about=__doc__,
    section="How well a supernet ranks, by how it is trained",
    minutes=30,
    measure=measure,
    render=render,
    options=options,
)
