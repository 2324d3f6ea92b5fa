"""How well a few measured latencies foretell others, and how much two measurements of one network differ.

    python -m analysis.latency_estimates

Networks of different shapes, spread over ops as a search draws them, are measured twice: all of them, and
then all again. A model of the latency is fitted to the first measurement of some, as explorers fit it, and
judged by the first measurement of the others; beside it stands the same regression of ops alone. Median and
quartiles over random splits.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from analysis import command
from evo_bnas.archive.ranking import MIN_NETWORKS
from evo_bnas.cli import console
from evo_bnas.errors import UsageError
from evo_bnas.machine import processor
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.packed.latency import LatencyMeter
from evo_bnas.progress import Progress, Report
from evo_bnas.search.cost_model import fit
from evo_bnas.search.features import cost_column, features
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogates.cross_validation import kendall
from evo_bnas.space.catalogue import load
from evo_bnas.space.genes import Architecture, Space

SPACES = ("elastic-8", "nb201-binary-8", "binary-cell-8", "elastic-resnet-32")
_DRAWS = 20  # for each network asked for; several may have one shape
_QUARTILES = (25, 50, 75)
_APART = (50, 90, 100)  # percentiles


@dataclass(frozen=True, slots=True)
class Foretold:
    """What estimates were worth for networks left out of the fit: quartiles over splits."""

    space: str
    fitted: int  # networks
    sees: str  # genes, ops and params | ops alone
    tau: list[float]  # Kendall's, of estimated and measured values, in [-1, 1]
    off: list[float]  # the median relative error, fraction


@dataclass(frozen=True, slots=True)
class Repeated:
    """How two measurements of the same networks agree."""

    space: str
    networks: int
    ms: list[float]  # the least and the greatest latency
    tau: float  # Kendall's, in [-1, 1]
    apart: list[float]  # the greater over the lesser, less 1: median, 90th percentile, most


def drawn(space: Space, n: int) -> dict[Architecture, Blueprint]:
    """`n` networks of different shapes; raises UsageError where so many are not found."""
    rng = np.random.default_rng(0)
    found: dict[str, tuple[Architecture, Blueprint]] = {}
    for _ in range(_DRAWS * n):
        network = space.sample_cost_uniform(rng)
        blueprint = space.draw(network)
        found.setdefault(blueprint.shape_key, (network, blueprint))
        if len(found) == n:
            return dict(found.values())
    raise UsageError(
        f"--networks {n}: {space.name} gave {len(found)} different shapes in {_DRAWS * n} draws; "
        "ask for fewer"
    )


def measured_twice(name: str, blueprints: Sequence[Blueprint], report: Report) -> np.ndarray:
    """Latencies in ms, (2, n)."""
    ms = []
    for turn in ("first", "second"):
        meter = LatencyMeter()
        for done, blueprint in enumerate(blueprints, 1):
            ms.append(meter(blueprint))
            report(Progress(f"{name}, {turn} time", done, len(blueprints), "networks", f"{ms[-1]:.3g} ms"))
    return np.array(ms).reshape(2, len(blueprints))


def held_out(rows: np.ndarray, ms: np.ndarray, fitted: int, splits: int) -> tuple[np.ndarray, np.ndarray]:
    """Tau and the median relative error, (splits,) each, of what is foretold from rows (n, d) of features."""
    taus, offs = np.zeros((2, splits))
    for split in range(splits):
        order = np.random.default_rng([split, fitted]).permutation(len(ms))
        seen, unseen = order[:fitted], order[fitted:]
        estimated = fit(rows[seen], ms[seen]).estimate(rows[unseen])
        taus[split] = kendall(estimated, ms[unseen])
        offs[split] = np.median(np.abs(estimated / ms[unseen] - 1))
    return taus, offs


def repeated(name: str, ms: np.ndarray) -> Repeated:
    """How two rows of latencies (2, n) agree."""
    apart = ms.max(axis=0) / ms.min(axis=0) - 1
    return Repeated(
        space=name,
        networks=ms.shape[1],
        ms=[float(ms.min()), float(ms.max())],
        tau=kendall(*ms),
        apart=np.percentile(apart, _APART).tolist(),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    command.run(_run, _parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("analysis.latency_estimates", __doc__)
    parser.add_argument("--spaces", nargs="+", default=SPACES, help="default: " + " ".join(SPACES))
    parser.add_argument("--networks", type=int, default=120, help="of each space (default %(default)s)")
    parser.add_argument("--fitted", type=int, nargs="+", default=(20, 60), help="of these; default: 20 60")
    parser.add_argument("--splits", type=int, default=6, help="into fitted and others (default %(default)s)")
    return parser


def _run(asked: argparse.Namespace) -> None:
    for fitted in asked.fitted:
        if not MIN_NETWORKS <= fitted <= asked.networks - MIN_NETWORKS:
            raise UsageError(
                f"--fitted {fitted}: fit {MIN_NETWORKS} or more, and leave {MIN_NETWORKS} or more of the "
                f"{asked.networks} networks to foretell"
            )
    if asked.splits < 1:
        raise UsageError(f"--splits {asked.splits}: makes no estimate; ask for 1 or more")
    foretold: list[Foretold] = []
    again: list[Repeated] = []
    with console.progress() as report:
        for space in map(load, asked.spaces):
            networks = drawn(space, asked.networks)
            ms = measured_twice(space.name, list(networks.values()), report)
            again.append(repeated(space.name, ms))
            problem = Problem(space, ("error", "latency_ms"))
            rows = features(problem, list(networks))
            seen = {
                "genes, ops and params": rows,
                f"{problem.sampling_cost} alone": rows[:, [cost_column(problem)]],
            }
            for fitted in asked.fitted:
                for sees, part in seen.items():
                    tau, off = (
                        np.percentile(values, _QUARTILES).tolist()
                        for values in held_out(part, ms[0], fitted, asked.splits)
                    )
                    foretold.append(Foretold(space.name, fitted, sees, tau, off))
    if asked.format == "json":
        console.print_json(
            {
                "processor": processor(),
                "networks": asked.networks,
                "splits": asked.splits,
                "foretold": [asdict(row) for row in foretold],
                "repeated": [asdict(row) for row in again],
            }
        )
        return
    console.say(f"{processor()}, one thread; {asked.splits} splits of {asked.networks} networks\n")
    columns = ["space", "fitted to", "model of", "tau of the others", "median off, %"]
    console.print_table(columns, [_estimates(row) for row in foretold], left=["space", "model of"])
    console.say("\nmeasured twice")
    columns = ["space", "ms", "tau", "median apart, %", "9 in 10 within, %", "most, %"]
    console.print_table(columns, [_agreement(row) for row in again], left=["space"])


def _estimates(row: Foretold) -> list[str]:
    low, median, high = row.tau
    least, off, most = (100 * value for value in row.off)
    return [
        row.space,
        str(row.fitted),
        row.sees,
        f"{median:.2f} ({low:.2f} to {high:.2f})",
        f"{off:.1f} ({least:.1f} to {most:.1f})",
    ]


def _agreement(row: Repeated) -> list[str]:
    least, greatest = row.ms
    apart = (f"{100 * value:.1f}" for value in row.apart)
    return [row.space, f"{least:.3g} to {greatest:.3g}", f"{row.tau:.2f}", *apart]


if __name__ == "__main__":
    main()
