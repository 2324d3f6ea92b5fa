"""Every example in CONTRIBUTING.md works as printed."""

import re
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from evo_bnas.binary.network import Network
from evo_bnas.data import readers
from evo_bnas.data import settings as data_settings
from evo_bnas.data.dataset import load
from evo_bnas.data.settings import DataSettings
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.network import objectives
from evo_bnas.network.objectives import EXACT, Objective, exact_objectives
from evo_bnas.search import EXPLORERS
from evo_bnas.search.problem import Problem
from evo_bnas.space import blocks, catalogue, constraints
from evo_bnas.space.genes import Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet
from tests.support.blueprints import macs_by_torch
from tests.support.digits import DIGITS
from tests.support.synthetic import ELASTIC, run

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example(language: str, contains: str) -> str:
    """The only code block of a language that contains a text."""
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    [code] = [code for code in found if contains in code]
    return str(code)


def names_of(code: str, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """The names that a code block defines."""
    names = {"__name__": "example", **(known or {})}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    return names


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The space of the examples; its block and its constraint are registered during the test."""
    monkeypatch.setitem(blocks.BLOCKS, "twin", blocks.BLOCKS["react"])  # removed after the test
    monkeypatch.setitem(constraints.CONSTRAINTS, "max_large_kernels", constraints.MinGroup)
    names_of(example("python", "_twin"), dict(vars(blocks)))
    names_of(example("python", "MaxLargeKernels"), dict(vars(constraints)))
    loaded: dict[str, Any] = yaml.safe_load(example("yaml", "max_large_kernels"))
    return loaded


@pytest.fixture
def worked(content: dict[str, Any]) -> Space:
    return catalogue.build("worked", content, "test")


def test_networks_of_the_block_have_the_macs_that_torch_counts(worked: Space) -> None:
    for network in (
        worked.smallest(),
        *worked.neighbours(worked.smallest()),
        worked.largest(),
    ):
        blueprint = worked.draw(network)
        assert worked.costs(network) == exact_objectives(worked.cost(network))
        assert macs_by_torch(blueprint) == worked.cost(network).bops + worked.cost(network).flops
    assert [node.name for node in blueprint.nodes if node.op == "sum"] == [
        "s1.b1.sum",
        "s1.b2.sum",
        "s2.b1.sum",
    ]


def test_the_block_shares_weights(worked: Space) -> None:
    images = torch.randn(4, *worked.image, generator=torch.Generator().manual_seed(0))
    supernet = Supernet(worked)
    for network in (
        worked.smallest(),
        worked.largest(),
        *worked.neighbours(worked.largest()),
    ):
        statistics = calibrate(partial(supernet, architecture=network), images, 4)
        extracted: Network = supernet.extract(network, statistics).eval()
        with torch.no_grad():
            assert torch.equal(extracted(images), supernet(images, network, statistics))


def test_the_constraint_holds_and_everything_follows(worked: Space) -> None:
    listed = list(worked.enumerate())
    for network in listed:
        kernels = [node.kernel for node in worked.draw(network).nodes if node.name.endswith("spatial")]
        assert sum(kernel > 3 for kernel in kernels) <= 1
    # Two widths; of 2 or 3 blocks one or none has a large kernel; groups of each block of the first stage.
    assert worked.count() == (2 * (3 * 2 + 4 * 4), True) == (len(listed), True)
    for name in EXACT:
        values = [worked.costs(network)[name] for network in listed]
        assert worked.bounds(name) == (min(values), max(values))
    for network in listed:
        assert worked.parse(network.key) == network
        assert set(worked.neighbours(network)) <= set(listed)


def test_the_constraint_refuses_what_leaves_nothing(content: dict[str, Any]) -> None:
    content["stages"][1]["each"]["kernel"] = 5
    with pytest.raises(UsageError, match=r"^test: stages\.2\.each\.kernel: \[5\] are all large, after 1"):
        catalogue.build("worked", content, "test")


@pytest.fixture
def parallel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Space:
    names = names_of(example("python", "class ParallelSpace"))
    family = (names["ParallelDefinition"], names["ParallelSpace"])
    monkeypatch.setitem(catalogue.FAMILIES, "parallel", family)
    path = tmp_path / "parallel.yaml"
    path.write_text(example("yaml", "family: parallel"), encoding="utf-8")
    return catalogue.load(path)


def test_the_printed_topology_is_a_space(parallel: Space) -> None:
    assert parallel.count() == (81, True)
    listed = list(parallel.enumerate())
    assert len({parallel.draw(architecture) for architecture in listed}) == 81
    assert all(parallel.parse(architecture.key) == architecture for architecture in listed)
    again = catalogue.build(parallel.name, yaml.safe_load(yaml.safe_dump(parallel.definition())), "test")
    assert again.hash == parallel.hash
    ops = [parallel.cost(architecture).ops for architecture in listed]
    assert parallel.bounds("ops") == (min(ops), max(ops))
    with pytest.raises(ValueError, match="b7"):
        parallel.parse("b3-b7-b3-b3")


def test_the_printed_topology_is_scored(parallel: Space) -> None:
    digits = load(DIGITS, seed=0)
    supernet = Supernet(parallel)
    evaluator = SupernetEvaluator(
        supernet,
        calibration=digits.train[:64],
        search=digits.search,
        weights="weights",
        protocol=EvaluationProtocol("data", 359, "calibration", 64, torch.get_num_threads(), "cpu"),
    )
    architecture = parallel.sample(np.random.default_rng(0))
    (score,) = evaluator([architecture])
    assert score.status == "ok"
    assert 0 <= score.objectives["error"] <= 1
    assert score.objectives["ops"] == parallel.cost(architecture).ops


def test_the_printed_explorer_searches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    explorer = names_of(example("python", "class HillClimbing"))["HillClimbing"]
    monkeypatch.setitem(EXPLORERS, "hill-climbing", explorer)
    problem = Problem(ELASTIC, ("error", "ops"), {"ops": 40_000})
    archive = run(tmp_path / "journal.jsonl", problem, "hill-climbing", evaluations=60)
    origins = [proposal.origin for proposal in archive.proposals]
    assert origins[0] == "start"
    assert origins[-1] == "hill climbing"
    assert len({proposal.key for proposal in archive.proposals}) == 60
    assert all(problem.feasible(proposal.architecture) for proposal in archive.proposals)


def test_the_printed_objective_is_counted() -> None:
    entries = eval("{" + example("python", '"binary_params"') + "}", dict(vars(objectives)))
    objective = entries["binary_params"]
    assert isinstance(objective, Objective)
    assert objective.of is not None
    cost = ELASTIC.cost(ELASTIC.smallest())
    assert objective.of(cost) == cost.binary_params


def test_the_printed_reader_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = ModuleType("evo_bnas.data.readers.npz")
    exec(compile(example("python", "def open_source"), "CONTRIBUTING.md", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(readers, "npz", module, raising=False)
    monkeypatch.setitem(data_settings.READERS, "npz", ("path",))
    pixels = np.random.default_rng(0).integers(0, 256, (60, 3, 4, 5), dtype=np.uint8)
    path = tmp_path / "images.npz"
    np.savez(path, pixels=pixels, labels=np.arange(60) % 2)
    data = load(DataSettings(name="npz", path=str(path)), seed=0)
    assert data.image == (3, 4, 5)
    assert data.classes == ("0", "1")
    assert len(data.train) + len(data.search) + len(data.test) == 60


def test_the_printed_figure_is_drawn(tmp_path: Path) -> None:
    plot = names_of(example("python", "def plot_hypervolume"))["plot_hypervolume"]
    plot([0.1, 0.4, 0.5], tmp_path / "trace.png")
    assert (tmp_path / "trace.png").read_bytes().startswith(b"\x89PNG")
