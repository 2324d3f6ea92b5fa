"""The topology in CONTRIBUTING.md works as printed."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from evo_bnas.data.dataset import load
from evo_bnas.evaluate.protocol import EvaluationProtocol
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Space
from evo_bnas.supernet.supernet import Supernet
from tests.support.digits import DIGITS

GUIDE = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
TEXT = GUIDE[GUIDE.index("**A topology**") :]


def shown(language: str) -> str:
    """The first code block of a language in the section on topologies."""
    found = re.search(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Space:
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(shown("python"), "CONTRIBUTING.md", "exec"), names)
    (entry,) = re.findall(r'`"(\w+)": \((\w+), (\w+)\)` in `FAMILIES`', TEXT)
    family, definition, of_space = entry
    monkeypatch.setitem(catalogue.FAMILIES, family, (names[definition], names[of_space]))
    path = tmp_path / "parallel.yaml"
    path.write_text(shown("yaml"), encoding="utf-8")
    return catalogue.load(path)


def test_the_printed_topology_is_a_space(space: Space) -> None:
    assert space.count() == (81, True)
    listed = list(space.enumerate())
    assert len({space.draw(architecture) for architecture in listed}) == 81
    assert all(space.parse(architecture.key) == architecture for architecture in listed)
    again = catalogue.build(space.name, yaml.safe_load(yaml.safe_dump(space.definition())), "test")
    assert again.hash == space.hash
    ops = [space.cost(architecture).ops for architecture in listed]
    assert space.bounds("ops") == (min(ops), max(ops))
    with pytest.raises(ValueError, match="b7"):
        space.parse("b3-b7-b3-b3")


def test_the_printed_topology_is_scored(space: Space) -> None:
    digits = load(DIGITS, seed=0)
    supernet = Supernet(space)
    evaluator = SupernetEvaluator(
        supernet,
        calibration=digits.train[:64],
        search=digits.search,
        weights="weights",
        protocol=EvaluationProtocol("data", 359, "calibration", 64, torch.get_num_threads(), "cpu"),
    )
    architecture = space.sample(np.random.default_rng(0))
    (score,) = evaluator([architecture])
    assert score.status == "ok"
    assert 0 <= score.objectives["error"] <= 1
    assert score.objectives["ops"] == space.cost(architecture).ops
