"""The architectures that samplers give to a training step."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.space.genes import Space
from evo_bnas.supernet.samplers import SAMPLERS, cost_uniform, fair, sandwich, uniform
from tests.support.strategies import SPACES

ELASTIC = SPACES["elastic-8"]
SMALL = [space for space in SPACES.values() if space.image[1] == 8]


@pytest.mark.parametrize("name", SAMPLERS)
@given(space=st.sampled_from(SMALL), seed=st.integers(0, 1000))
def test_a_sampler_is_a_function_of_its_generator(name: str, space: Space, seed: int) -> None:
    drawn = SAMPLERS[name](space, np.random.default_rng(seed))
    assert drawn == SAMPLERS[name](space, np.random.default_rng(seed))
    assert drawn
    assert all(architecture == space.parse(architecture.key) for architecture in drawn)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_covers_all_options_of_a_space(name: str) -> None:
    rng = np.random.default_rng(0)
    sampled = {architecture for _ in range(300) for architecture in SAMPLERS[name](ELASTIC, rng)}
    assert len(sampled) > 100
    for i, size in enumerate(ELASTIC.sizes):
        assert {architecture.genes[i] for architecture in sampled} == set(range(size))


def test_uniform_gives_each_end_with_probability_15_percent() -> None:
    rng = np.random.default_rng(0)
    draws = [uniform(ELASTIC, rng) for _ in range(2000)]
    assert all(len(draw) == 1 for draw in draws)
    for end in (ELASTIC.smallest(), ELASTIC.largest()):
        assert 200 < draws.count([end]) < 400


def test_a_sandwich_contains_both_ends() -> None:
    draw = sandwich(ELASTIC, np.random.default_rng(0))
    assert len(draw) == 4
    assert {ELASTIC.smallest(), ELASTIC.largest()} < set(draw)


@pytest.mark.parametrize("name", ["elastic-8", "group-mobile-8"])
@given(seed=st.integers(0, 1000))
def test_a_fair_step_uses_every_option_equally_often(name: str, seed: int) -> None:
    space = SPACES[name]
    drawn = fair(space, np.random.default_rng(seed))
    assert len(drawn) == max(space.sizes)
    active = [space.active(architecture.genes) for architecture in drawn]
    for i, size in enumerate(space.sizes):
        if not all(genes[i] for genes in active):
            continue  # the gene is inactive in a shallow network
        uses = Counter(architecture.genes[i] for architecture in drawn)
        assert len(uses) == size
        assert max(uses.values()) - min(uses.values()) <= 1


def test_fair_steps_favour_no_option_and_no_pair_of_options_on_average() -> None:
    rng = np.random.default_rng(0)
    architectures = [architecture for _ in range(1000) for architecture in fair(ELASTIC, rng)]
    always = np.all([ELASTIC.active(a.genes) for a in architectures], axis=0).nonzero()[0].tolist()
    genes = np.array([architecture.genes for architecture in architectures])
    assert len(always) > 1
    for i in always:
        shares = np.bincount(genes[:, i]) / len(genes)
        assert shares == pytest.approx(1 / ELASTIC.sizes[i], abs=0.03)
    assert abs(np.corrcoef(genes[:, always].T) - np.eye(len(always))).max() < 0.1


def test_cost_uniform_samples_are_even_in_ops_and_uniform_genes_are_not() -> None:
    rng = np.random.default_rng(0)
    least, most = ELASTIC.bounds("ops")

    def quarters(draws: list[float]) -> list[float]:
        counts, _ = np.histogram(draws, bins=4, range=(least, most))
        return (counts / len(draws)).tolist()

    even = quarters([ELASTIC.costs(cost_uniform(ELASTIC, rng)[0])["ops"] for _ in range(400)])
    assert min(even) > 0.15
    assert max(even) < 0.35
    assert min(quarters([ELASTIC.costs(ELASTIC.sample(rng))["ops"] for _ in range(400)])) < 0.05
