"""An objective is one entry of one file: everything else follows from it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import evo_bnas
from evo_bnas.files.shipped import shipped

ENTRY = """
        "binary_layers": Objective(
            unit="layers",
            title="1-bit layers",
            option="--binary-layers",
            example="10",
            meaning="number of layers with 1-bit weights",
            of=lambda cost: sum(layer.binary_params > 0 for layer in cost.layers),
        ),
"""
USES = """
import json, sys
from pathlib import Path
import pandas as pd
from typer.testing import CliRunner
from evo_bnas.cli import app
from evo_bnas.network.card import cost_values
from evo_bnas.plots.front import plot_front
from evo_bnas.search.problem import Problem
from evo_bnas.search.settings import SearchSettings
from evo_bnas.space.catalogue import load

spaces = {name: load(name) for name in ("elastic-8", "binary-cell-8", "nb201-binary-8")}
space = spaces["elastic-8"]
least, largest = space.cheapest("binary_layers"), space.largest()
settings = SearchSettings.model_validate(
    {"objectives": ["error", "binary_layers"], "limits": {"binary_layers": 8}}
)
problem = Problem(space, settings.objectives, settings.limits)
rows = [{"error": 0.5, **space.costs(least)}, {"error": 0.4, **space.costs(largest)}]
scores = pd.DataFrame(rows).assign(status="ok")
plot_front(scores, Path("front.svg"), x="binary_layers")
json.dump(
    {
        "costs": {name: each.costs(each.largest())["binary_layers"] for name, each in spaces.items()},
        "bounds": {name: each.bounds("binary_layers") for name, each in spaces.items()},
        "feasible": [problem.feasible(least), problem.feasible(largest)],
        "card": cost_values(space.cost(largest))["binary_layers"],
        "help": CliRunner().invoke(app, ["pick", "--help"], env={"COLUMNS": "200"}).output,
    },
    sys.stdout,
)
"""


def test_an_objective_is_added_by_one_entry(tmp_path: Path) -> None:
    package = tmp_path / "evo_bnas"
    shutil.copytree(Path(evo_bnas.__file__).parent, package)
    if not (package / "spaces").is_dir():
        shutil.copytree(shipped("spaces"), package / "spaces")
    objectives = package / "network" / "objectives.py"
    before, mark, after = objectives.read_text().partition('        "params": ')
    objectives.write_text(before + ENTRY.lstrip("\n") + mark + after)
    done = subprocess.run(
        [sys.executable, "-c", USES],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    # Three stages of one or two blocks with two 1-bit convolutions each.
    assert result["bounds"]["elastic-8"] == [6, 12]
    for name, (least, most) in result["bounds"].items():
        assert 0 <= least < most == result["costs"][name]
    assert result["feasible"] == [True, False]
    assert result["card"] == 12
    assert "--binary-layers" in result["help"]
    assert "number of layers with 1-bit weights" in result["help"]
    assert "number of layers with 1-bit weights" in (tmp_path / "front.svg").read_text()
