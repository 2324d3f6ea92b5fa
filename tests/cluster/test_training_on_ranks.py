"""Training on two ranks of a real Ray cluster: the driver is killed first, and then one of the ranks."""

import logging
import re
import shutil
from pathlib import Path

import pytest
import torch

from evo_bnas.data.dataset import load
from evo_bnas.progress import Progress
from evo_bnas.run import inputs
from evo_bnas.run.start import start
from evo_bnas.run.train import train as train_stage
from evo_bnas.supernet.samplers import uniform
from evo_bnas.supernet.supernet import Supernet, load_supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.randomness import Stream, torch_seed
from tests.support.ranks import DiesOnce, train_in_parts
from tests.support.training import EveryStep, Stop

# 1,024 images are trained on, in batches of 32.
RECIPE = """
data: {name: digits, search_share: 0.23}
space: tiny-8
supernet: {epochs: 1, min_steps: 0, ranks: 2, batch: 32, augment: {crop: 1}}
engine: {threads: 1, device: cpu}
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")
def test_ranks_resume_after_kills_and_end_with_the_weights_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    run = start(tmp_path / "recipe.yaml", tmp_path / "run")
    (stage,) = inputs.stages(run, "supernet", run.recipe.supernet)
    images = load(run.recipe.data, seed=0).train
    assert (len(images), stage.steps(len(images))) == (1_024, 32)
    expected = Supernet(run.space, seed=torch_seed(0, Stream.WEIGHTS))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    path = run.checkpoint / "supernet-binary.safetensors"
    with pytest.raises(Stop):
        train_in_parts(expected, images, stage, uniform, EveryStep(path, 4))
    copy = tmp_path / "copy.safetensors"
    shutil.copy(path, copy)
    train_in_parts(expected, images, stage, uniform, Checkpoint(copy))
    torch.set_num_threads(threads)

    monkeypatch.setattr("evo_bnas.run.train.SAMPLERS", {"uniform": DiesOnce(tmp_path / "died")})
    reported: list[Progress] = []
    with caplog.at_level(logging.WARNING):
        train_stage(run, reported.append)

    assert (tmp_path / "died").exists()
    # The checkpoint of step 6 may not have arrived when the rank dies.
    assert re.search(r"lost rank 1 of 2; .* step [56]\b", caplog.text)
    assert [step.done for step in reported] == [32]
    assert not path.exists()
    trained = load_supernet(run.space, run.supernet_file).state_dict()
    # To the last bit: halving is exact, and the order of two summands does not matter.
    assert all(torch.equal(trained[name], value) for name, value in expected.state_dict().items())
