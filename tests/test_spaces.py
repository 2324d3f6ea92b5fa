"""Laws of every shipped space, and what is said about space files that are wrong."""

from collections.abc import Callable
from copy import deepcopy
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.blueprint import tensors
from evo_bnas.errors import UsageError
from evo_bnas.score import EXACT
from evo_bnas.space.catalogue import build, load, names
from evo_bnas.space.genes import Architecture, Space
from tests.strategies import SPACES, architectures, drawn, genes, spaces

every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)

SMALL: dict[str, Any] = {
    "family": "chain",
    "block": "react",
    "image": [1, 8, 8],
    "classes": 10,
    "stem": {"channels": [8, 16]},
    "stages": [
        {"channels": 16, "blocks": [1, 3], "each": {"kernel": [3, 5]}},
        {"channels": [32, 64], "blocks": [1, 2], "stride": 2, "kernel": [3, 5], "each": {"groups": [1, 2]}},
    ],
}


def test_the_shipped_spaces() -> None:
    assert {"elastic-8", "group-mobile-8", "group-mobile-32", "group-mobile-224"} <= set(names())


@given(drawn())
def test_a_key_names_its_architecture(pair: tuple[Space, Architecture]) -> None:
    space, architecture = pair
    assert space.parse(architecture.key) == architecture


@given(st.data())
def test_repair_is_idempotent_and_keeps_the_key(data: st.DataObject) -> None:
    space = data.draw(spaces)
    raw = data.draw(genes(space))
    canonical = space.repair(raw)
    assert space.repair(canonical) == canonical
    assert space.active(canonical) == space.active(raw)
    assert space.key(canonical) == space.architecture(raw).key


@given(st.data())
def test_inactive_genes_change_nothing(data: st.DataObject) -> None:
    space = SPACES["elastic-8"]
    raw, other = data.draw(genes(space)), data.draw(genes(space))
    mixed = [a if active else b for a, b, active in zip(raw, other, space.active(raw), strict=True)]
    assert space.architecture(mixed) == space.architecture(raw)


@given(drawn(), st.data())
def test_different_keys_are_different_networks(pair: tuple[Space, Architecture], data: st.DataObject) -> None:
    space, one = pair
    other = data.draw(architectures(space))
    assert (one == other) == (one.key == other.key)
    assert (one == other) == (space.draw(one) == space.draw(other))


@given(drawn())
def test_neighbours_differ_in_one_gene(pair: tuple[Space, Architecture]) -> None:
    space, architecture = pair
    neighbours = space.neighbours(architecture)
    assert len(set(neighbours)) == len(neighbours)
    active = space.active(architecture.genes)
    # Every active gene has its other options, and each is another architecture.
    assert len(neighbours) == sum(size - 1 for size, on in zip(space.sizes, active, strict=True) if on)
    for neighbour in neighbours:
        both = [a and b for a, b in zip(active, space.active(neighbour.genes), strict=True)]
        pairs = zip(architecture.genes, neighbour.genes, both, strict=True)
        assert sum(a != b for a, b, on in pairs if on) == 1
    like = [other for other in neighbours if space.active(other.genes) == active]
    assert all(architecture in space.neighbours(other) for other in like[:2])


@given(drawn())
def test_every_tensor_fits_into_the_envelope(pair: tuple[Space, Architecture]) -> None:
    space, architecture = pair
    widest = {(node.name, spec.name): spec.shape for node in space.envelope() for spec in tensors(node)}
    for node in space.draw(architecture).nodes:
        for spec in tensors(node):
            room = widest[node.name, spec.name]
            assert all(size <= most for size, most in zip(spec.shape, room, strict=True))


@every_space
def test_the_envelope_is_no_wider_than_the_widest(space: Space) -> None:
    dense = {(node.name, spec.name): prod(spec.shape) for node in space.envelope() for spec in tensors(node)}
    drawn_ = {(node.name, spec.name) for node in space.draw(space.largest()).nodes for spec in tensors(node)}
    assert set(dense) == drawn_


@every_space
def test_the_largest_has_every_place(space: Space) -> None:
    assert all(space.active(space.largest().genes))


@pytest.mark.parametrize(
    "space", [SPACES["group-mobile-8"], build("small", SMALL, "test")], ids=lambda s: s.name
)
def test_the_count_is_that_of_the_enumeration(space: Space) -> None:
    listed = list(space.enumerate())
    assert len(set(listed)) == len(listed)
    assert space.count() == (len(listed), True)
    assert Space.count(space) == (len(listed), True)


def test_the_count_of_group_mobile_8() -> None:
    assert SPACES["group-mobile-8"].count().number == 2 * 3 * 3 * 4 * 4


@every_space
def test_an_estimated_count_is_near_the_exact_one(space: Space) -> None:
    # What a family without a formula of its own would say.
    assert Space.count(space).number == pytest.approx(space.count().number, rel=0.05)


@every_space
def test_uniform_samples_follow_the_generator(space: Space) -> None:
    one, other = ([space.sample(np.random.default_rng(3)) for _ in range(2)] for _ in range(2))
    assert one == other
    draws = np.array([space.sample(np.random.default_rng(i)).genes for i in range(300)])
    for index, size in enumerate(space.sizes):
        assert len(np.unique(draws[:, index])) == size


@every_space
@pytest.mark.parametrize("objective", ["ops", "params"])
def test_tilted_samples_reach_every_tenth_of_the_range(space: Space, objective: str) -> None:
    rng = np.random.default_rng(0)
    low, high = space.bounds(objective)
    costs = [getattr(space.cost(space.sample_tilted(rng, objective)), objective) for _ in range(400)]
    tenths = np.minimum((np.array(costs) - low) / (high - low) * 10, 9).astype(int)
    assert set(tenths.tolist()) == set(range(10))


def test_elastic_8_spans_four_times_in_ops() -> None:
    low, high = SPACES["elastic-8"].bounds("ops")
    assert high >= 4 * low


@given(drawn())
def test_neighbouring_options_cost_in_order(pair: tuple[Space, Architecture]) -> None:
    """No architecture is cheaper than the smallest by its neighbours either."""
    space, architecture = pair
    smallest = space.cost(space.smallest())
    for neighbour in space.neighbours(architecture)[:5]:
        assert all(getattr(space.cost(neighbour), name) >= getattr(smallest, name) for name in EXACT)


@every_space
def test_a_definition_builds_the_same_space(space: Space) -> None:
    text = yaml.safe_dump(space.definition())
    again = build(space.name, yaml.safe_load(text), "test")
    assert again.hash == space.hash
    assert again.genes == space.genes
    assert again.largest() == space.largest()


def test_defaults_that_are_spelled_out_make_no_other_space() -> None:
    spelled = deepcopy(SMALL)
    spelled["stem"] |= {"kernel": 3, "stride": 1}
    spelled["stages"][1]["blocks"] = [2, 1]
    assert build("a", spelled, "test").hash == build("b", SMALL, "test").hash


def test_hashes_differ_where_spaces_do() -> None:
    assert len({space.hash for space in SPACES.values()}) == len(SPACES)


def test_fit_changes_the_ends_only() -> None:
    space = SPACES["elastic-8"]
    fitted = space.fit((3, 8, 8), 4)
    blueprint = fitted.draw(fitted.smallest())
    assert (blueprint.image, blueprint.classes) == ((3, 8, 8), 4)
    assert fitted.genes == space.genes
    with pytest.raises(ValueError, match="elastic-8 is made for images of 8x8, not 32x32"):
        space.fit((1, 32, 32), 10)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "ends before stem.channels"),
        ("c8-c16d1.k3g2-c32d1.k3g4", "ends before stage3.channels"),
        ("c9-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4", r"stem.channels is 9; choose from \[8, 16\]"),
        ("c8-d1.k3g2-c32d1.k3g4-c64d1.k3g4", "d1 stands where stage1.channels"),
        ("c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4k3", "is no key of elastic-8; it reads like c8-"),
        ("c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g04", "is no key of elastic-8"),
        ("C8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4", "d1 stands where stage1.channels"),
        ("C8-c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4", "is no key of elastic-8"),
    ],
)
def test_keys_that_are_none(key: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPACES["elastic-8"].parse(key)


def test_a_space_without_choices() -> None:
    fixed = deepcopy(SMALL)
    fixed["stem"]["channels"] = 8
    fixed["stages"] = [{"channels": 16}]
    space = build("fixed", fixed, "test")
    assert space.parse(space.smallest().key) == space.largest()
    assert space.count() == (1, True)
    assert space.neighbours(space.smallest()) == ()
    rng = np.random.default_rng(0)
    assert space.sample(rng) == space.sample_tilted(rng) == space.smallest()


def _stage(**fields: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["stages"][1].update(fields)


def _top(**fields: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_top(family="chian"), "family: 'chian' is unknown; choose from chain"),
        (_top(family=["chain"]), "family: ['chain'] is unknown; choose from chain"),
        (lambda content: content.pop("family"), "family: None is unknown"),
        (lambda content: content.pop("classes"), "classes: is missing"),
        (_top(clases=3), 'clases: unknown key; did you mean "classes"?'),
        (_top(classes="ten"), "classes: input should be a valid integer (got 'ten')"),
        (_top(classes=1), "classes: input should be greater than or equal to 2 (got 1)"),
        (_top(block="reakt"), "block: input should be 'react' (got 'reakt')"),
        (_top(image=[8, 8]), "image.3: is missing"),
        (_top(stages=[]), "stages: must not be empty"),
        (_top(stem=3), "stem: must hold `key: value` pairs (got 3)"),
        (_stage(chanels=3), 'stages.2.chanels: unknown key; did you mean "channels"?'),
        (_stage(each={"grups": 3}), 'stages.2.each.grups: unknown key; did you mean "groups"?'),
        (_stage(channels=[]), "stages.2.channels: must not be empty"),
        (_stage(channels=[32, 32]), "stages.2.channels: [32, 32] names an option twice"),
        (_stage(channels=[8]), "stages.2.channels: 8 is less than the 16 channels that stage 1 may have"),
        (_stage(channels=[20.5]), "stages.2.channels.1: input should be a valid integer (got 20.5)"),
        (_stage(channels="32"), "stages.2.channels: must be a list (got '32')"),
        (_stage(channels=True), "stages.2.channels"),
        (_stage(blocks=0), "stages.2.blocks.1: input should be greater than or equal to 1"),
        (_stage(kernel=[3, 4]), "stages.2.kernel: kernel 4 is even; write 3 or 5"),
        (_stage(each={"groups": [1, 3]}), "stages.2.groups: 3 groups do not divide 16 channels"),
        (_stage(groups=2), "stages.2: groups stands in the stage and under `each`; keep one of them"),
        (_stage(stride=5), "stages.2.stride: input should be less than or equal to 4 (got 5)"),
    ],
)
def test_a_wrong_space_file_is_explained(
    change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    content = deepcopy(SMALL)
    change(content)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UsageError) as raised:
        load(path)
    text = str(raised.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: [chain", "is no YAML: line 1"),
        ("family: !!python/object/apply:os.system [ls]", "use plain values"),
        ("- chain", "must hold `key: value` lines, not list"),
        ("", "must hold `key: value` lines"),
        ("? [a, b]\n: 1", "use plain values"),
        ("family: chain\nblock: react\nfamily: chain", "line 3: the key 'family' stands twice"),
    ],
)
def test_a_file_that_holds_no_space(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as raised:
        load(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_space_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown space 'elastic-9'; did you mean .elastic-8.\?"):
        load("elastic-9")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")
