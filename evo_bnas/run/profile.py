"""Where the time of a network goes, node by node."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from evo_bnas.files.atomic import write_bytes
from evo_bnas.machine import processor
from evo_bnas.packed.latency import Latency, NodeTime, latency, node_times, program_of
from evo_bnas.plots.profile import plot_profile
from evo_bnas.run.folder import Run
from evo_bnas.space.genes import Architecture


@dataclass(frozen=True, slots=True)
class Profile:
    """The latency of one image on one thread, whole and by nodes in execution order."""

    key: str
    latency: Latency
    nodes: list[NodeTime]
    plot: Path


def measure(run: Run, architecture: Architecture) -> Profile:
    """Measure the packed program of an architecture on this host; draws a picture into the pick's folder."""
    blueprint = run.space.draw(architecture)
    program = program_of(blueprint)
    whole, nodes = latency(program), node_times(blueprint, program)
    folder = run.pick_folder(architecture.key)
    folder.mkdir(parents=True, exist_ok=True)
    plot = folder / "profile.png"
    plot_profile(pd.DataFrame(map(asdict, nodes)), whole.ms, plot)
    return Profile(architecture.key, whole, nodes, plot)


def measure_largest(run: Run) -> None:
    """Write down the latency of the largest network of a run's space, unless that is done.

    It bounds the hypervolume of the run.
    """
    if run.latency_file.exists():
        return
    largest = run.space.largest()
    found = latency(program_of(run.space.draw(largest)))
    row = {"key": largest.key, **asdict(found), "cpu": processor()}
    write_bytes(run.latency_file, (json.dumps(row) + "\n").encode())
