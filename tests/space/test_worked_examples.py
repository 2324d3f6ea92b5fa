"""The worked examples of CONTRIBUTING.md."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from evo_bnas.binary.network import Network
from evo_bnas.errors import UsageError
from evo_bnas.network.objectives import EXACT, exact_objectives
from evo_bnas.space import blocks, constraints
from evo_bnas.space.catalogue import build
from evo_bnas.space.genes import Space
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet
from tests.support.blueprints import macs_by_torch

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example(language: str, contains: str) -> str:
    """The one code block of a language that contains some text."""
    result = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    [one] = [code for code in result if contains in code]
    return str(one)


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The space of the examples, which are registered while a test runs."""
    monkeypatch.setitem(blocks.BLOCKS, "twin", blocks.BLOCKS["react"])  # restored after the test
    monkeypatch.setitem(constraints.CONSTRAINTS, "max_large_kernels", constraints.MinGroup)
    exec(example("python", "_twin"), dict(vars(blocks)))
    exec(example("python", "MaxLargeKernels"), dict(vars(constraints)))
    loaded: dict[str, Any] = yaml.safe_load(example("yaml", "max_large_kernels"))
    return loaded


@pytest.fixture
def space(content: dict[str, Any]) -> Space:
    return build("worked", content, "test")


def test_networks_of_the_block_have_the_macs_that_torch_counts(space: Space) -> None:
    for network in (space.smallest(), *space.neighbours(space.smallest()), space.largest()):
        blueprint = space.draw(network)
        assert space.costs(network) == exact_objectives(space.cost(network))
        assert macs_by_torch(blueprint) == space.cost(network).bops + space.cost(network).flops
    assert [node.name for node in blueprint.nodes if node.op == "sum"] == [
        "s1.b1.sum",
        "s1.b2.sum",
        "s2.b1.sum",
    ]


def test_the_block_shares_weights(space: Space) -> None:
    images = torch.randn(4, *space.image, generator=torch.Generator().manual_seed(0))
    supernet = Supernet(space)
    for network in (space.smallest(), space.largest(), *space.neighbours(space.largest())):
        statistics = calibrate(partial(supernet, architecture=network), images, 4)
        extracted: Network = supernet.extract(network, statistics).eval()
        with torch.no_grad():
            assert torch.equal(extracted(images), supernet(images, network, statistics))


def test_the_constraint_holds_and_everything_follows(space: Space) -> None:
    listed = list(space.enumerate())
    for network in listed:
        kernels = [node.kernel for node in space.draw(network).nodes if node.name.endswith("spatial")]
        assert sum(kernel > 3 for kernel in kernels) <= 1
    # Two widths; of 2 or 3 blocks one or none has a large kernel; groups of each block of the first stage.
    assert space.count() == (2 * (3 * 2 + 4 * 4), True) == (len(listed), True)
    for name in EXACT:
        values = [space.costs(network)[name] for network in listed]
        assert space.bounds(name) == (min(values), max(values))
    for network in listed:
        assert space.parse(network.key) == network
        assert set(space.neighbours(network)) <= set(listed)


def test_the_constraint_refuses_what_leaves_nothing(content: dict[str, Any]) -> None:
    content["stages"][1]["each"]["kernel"] = 5
    with pytest.raises(UsageError, match=r"^test: stages\.2\.each\.kernel: \[5\] are all large, after 1"):
        build("worked", content, "test")
