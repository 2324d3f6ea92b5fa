"""Several processes that train one network: their parts of a batch, and how they average gradients."""

from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.errors import UsageError
from evo_bnas.progress import Progress
from evo_bnas.recipe import load
from evo_bnas.supernet.samplers import sandwich
from evo_bnas.supernet.supernet import load_supernet
from evo_bnas.train.ranks import Ranks
from tests.support.ranks import (
    Case,
    last_loss,
    loss_file,
    run_rank,
    smallest,
    train_in_parts,
    weights_file,
)
from tests.support.stages import changed
from tests.support.synthetic import TINY
from tests.support.training import STAGE, NoCheckpoint, random_images

RANKS = [Ranks(rank, 2) for rank in range(2)]
# Batches of 13, 11 and 10 images: some are odd.
CASES = [
    Case(TINY, random_images(), changed(STAGE, epochs=2, max_grad_norm=0.5), sandwich),
    Case(TINY, random_images(), changed(STAGE, epochs=2, batch=13), smallest),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of every case, trained by two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    processes = [
        get_context("spawn").Process(target=run_rank, args=(ranks, folder, CASES)) for ranks in RANKS
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(CASES)))
def test_ranks_get_the_weights_of_one_process_that_adds_up_the_gradients_of_their_parts(
    number: int, trained: Path
) -> None:
    case = CASES[number]
    first, second = (
        load_supernet(TINY, weights_file(trained, number, rank.rank)).state_dict() for rank in RANKS
    )
    expected = case.untrained()
    reported: list[Progress] = []
    train_in_parts(expected, case.images, case.stage, case.sampler, NoCheckpoint(), reported.append)
    for name, value in expected.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, msg=name)
    losses = [last_loss(reported), *(loss_file(trained, number, rank.rank).read_text() for rank in RANKS)]
    assert len(set(losses)) == 1


@pytest.mark.slow
def test_parameters_that_no_rank_uses_do_not_change(trained: Path) -> None:
    number = [case.sampler for case in CASES].index(smallest)
    supernet, before = load_supernet(TINY, weights_file(trained, number, 0)), CASES[number].untrained()
    changed_names = {
        name
        for (name, value), start in zip(supernet.named_parameters(), before.parameters(), strict=True)
        if not torch.equal(value, start)
    }
    used = {f"{node.name}." for node in TINY.draw(TINY.smallest()).nodes}
    assert changed_names
    assert all(any(name.startswith(node) for node in used) for name in changed_names)


@given(st.integers(1, 9), st.data())
def test_the_parts_of_a_batch_are_complete_ordered_and_nearly_equal(count: int, data: st.DataObject) -> None:
    batch = data.draw(st.integers(count, 70))
    parts = [list(range(batch))[Ranks(rank, count).part(batch)] for rank in range(count)]
    assert [image for part in parts for image in part] == list(range(batch))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_has_an_image_for_every_rank() -> None:
    assert load("digits", ["supernet.batch=8", "supernet.ranks=8"]).supernet.ranks == 8
    with pytest.raises(UsageError, match=r"ranks.*9.*batch of 8"):
        load("digits", ["supernet.batch=8", "supernet.ranks=9"])
