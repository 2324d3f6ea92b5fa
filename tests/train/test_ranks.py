"""Several processes that train one network: their parts of a batch, and what they exchange."""

from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.cluster import access
from evo_bnas.errors import UsageError
from evo_bnas.progress import Progress
from evo_bnas.recipe import load
from evo_bnas.supernet.samplers import sandwich
from evo_bnas.supernet.supernet import load_supernet
from evo_bnas.train.augment import augment
from evo_bnas.train.ranks import Ranks
from evo_bnas.train.settings import AugmentationSettings
from tests.support.ranks import Case, loss_file, loss_in, run_rank, smallest, train_in_parts, weights_of
from tests.support.schedules import changed
from tests.support.synthetic import TINY
from tests.train.test_train import SCHEDULE, NoCheckpoint, fraction

RANKS = [Ranks(rank, 2) for rank in range(2)]
# The second batch size has no halves.
CASES = [
    Case(TINY, fraction(), changed(SCHEDULE, epochs=2, max_grad_norm=0.5), sandwich),
    Case(TINY, fraction(), changed(SCHEDULE, epochs=2, batch=13), smallest),
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
def test_ranks_have_the_weights_of_one_process_that_adds_up_the_gradients_of_their_parts(
    number: int, trained: Path
) -> None:
    case = CASES[number]
    first, second = (
        load_supernet(TINY, weights_of(trained, number, rank.rank)).state_dict() for rank in RANKS
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected = case.fresh()
    told: list[Progress] = []
    train_in_parts(expected, case.images, case.schedule, case.sampler, NoCheckpoint(), told.append)
    torch.set_num_threads(threads)
    for name, aim in expected.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], aim, msg=name)
    losses = [loss_in(told), *(loss_file(trained, number, rank.rank).read_text() for rank in RANKS)]
    assert len(set(losses)) == 1


@pytest.mark.slow
def test_what_no_rank_uses_stays_as_it_was(trained: Path) -> None:
    number = [case.sampler for case in CASES].index(smallest)
    found, before = load_supernet(TINY, weights_of(trained, number, 0)), CASES[number].fresh()
    moved = {
        name
        for (name, value), start in zip(found.named_parameters(), before.parameters(), strict=True)
        if not torch.equal(value, start)
    }
    used = {f"{node.name}." for node in TINY.draw(TINY.smallest()).nodes}
    assert moved
    assert all(any(name.startswith(node) for node in used) for name in moved)


@given(st.integers(1, 9), st.data())
def test_the_parts_of_a_batch_are_all_of_it_in_order_and_nearly_equal(
    count: int, data: st.DataObject
) -> None:
    batch = data.draw(st.integers(count, 70))
    parts = [list(range(batch))[Ranks(rank, count).part(batch)] for rank in range(count)]
    assert [image for part in parts for image in part] == list(range(batch))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(st.integers(1, 5), st.integers(5, 20), st.integers(0, 2), st.booleans(), st.integers(0, 4))
def test_a_part_is_varied_as_it_is_in_the_whole_batch(
    count: int, batch: int, crop: int, flip: bool, cutout: int
) -> None:
    augmentation = AugmentationSettings(crop=crop, flip=flip, cutout=cutout)
    images = torch.arange(1.0, 1 + batch * 2 * 5 * 4).view(batch, 2, 5, 4)

    def noise() -> torch.Generator:
        return torch.Generator().manual_seed(7)

    whole = augment(images, augmentation, noise())
    for part in (Ranks(rank, count).part(batch) for rank in range(count)):
        assert torch.equal(augmentation(images[part], noise(), batch, part), whole[part])


def test_a_batch_has_an_image_for_every_rank() -> None:
    assert load("digits", ["supernet.batch=8", "supernet.ranks=8"]).supernet.ranks == 8
    with pytest.raises(UsageError, match="9 ranks cannot share a batch of 8; ask for fewer"):
        load("digits", ["supernet.batch=8", "supernet.ranks=9"])


def test_without_ray_ranks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "find_spec", lambda _name: None)
    engine = load("digits").engine
    access.need_ray(engine)
    with pytest.raises(UsageError, match=r"supernet.ranks: 2 need Ray; pip install 'evo-bnas\[cluster\]'"):
        access.need_ray(engine, ranks=2)
