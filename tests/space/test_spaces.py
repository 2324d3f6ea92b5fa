"""Laws of every shipped space, and the refusal of wrong keys and space files."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evo_bnas.errors import UsageError
from evo_bnas.network.cost import cost
from evo_bnas.network.node import tensors
from evo_bnas.network.objectives import EXACT, exact_objectives
from evo_bnas.search.breeding import Breeding
from evo_bnas.search.problem import Problem
from evo_bnas.space.catalogue import build, load, names, taking
from evo_bnas.space.chain import ChainSpace
from evo_bnas.space.genes import Architecture, Space
from tests.support.refusals import refused
from tests.support.strategies import SPACES, architectures, drawn, genes, spaces

CHAINS = {name: space for name, space in SPACES.items() if isinstance(space, ChainSpace)}
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

# Small enough to be enumerated; its constraints sometimes make fewer channels or more groups more expensive.
ORDERED: dict[str, Any] = {
    "family": "chain",
    "block": "react",
    "image": [1, 8, 8],
    "classes": 10,
    "constraints": {"nondecreasing": "channels", "min_group": 8},
    "stem": {"channels": [8, 16]},
    "stages": [
        {"blocks": [1, 3], "each": {"channels": [8, 16, 24]}, "groups": [1, 2]},
        {"blocks": [1, 2], "stride": 2, "each": {"channels": [24, 32], "groups": [1, 2, 4]}},
    ],
}
CHOSEN: dict[str, Any] = {
    "family": "chain",
    "block": "choice",
    "image": [1, 8, 8],
    "classes": 10,
    "constraints": {"max_parameter_free": "1/3"},
    "stem": {"kernel": [1, 3]},
    "stages": [
        {"channels": [8, 16], "blocks": 2, "each": {"operation": ["b5", "d3", "b3g4", "max3", "skip"]}},
        {"channels": 16, "blocks": 2, "stride": 2, "each": {"operation": ["b3", "avg3", "skip"]}},
    ],
}
ENUMERABLE = [
    SPACES["group-mobile-8"],
    *(build(f"listed-{i}", content, "test") for i, content in enumerate((SMALL, ORDERED, CHOSEN))),
]


def test_the_published_spaces_are_shipped() -> None:
    sized = {
        f"{name}-{size}"
        for name in ("group-mobile", "elastic-mobile", "elastic-resnet", "op-chain")
        for size in (8, 32, 224)
    }
    assert sized | {"elastic-8"} <= set(names())


@given(drawn())
def test_parsing_a_key_returns_its_architecture(pair: tuple[Space, Architecture]) -> None:
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
    space, first = pair
    second = data.draw(architectures(space))
    assert (first == second) == (first.key == second.key)
    assert (first == second) == (space.draw(first) == space.draw(second))


@given(drawn())
@settings(max_examples=50)
def test_neighbours_are_other_legal_architectures(pair: tuple[Space, Architecture]) -> None:
    space, architecture = pair
    neighbours = space.neighbours(architecture)
    assert architecture not in neighbours
    assert len(set(neighbours)) == len(neighbours)
    assert all(space.repair(neighbour.genes) == neighbour.genes for neighbour in neighbours)


@given(st.data())
def test_without_constraints_neighbours_differ_in_one_gene(data: st.DataObject) -> None:
    space = SPACES["elastic-8"]
    architecture = data.draw(architectures(space))
    neighbours = space.neighbours(architecture)
    active = space.active(architecture.genes)
    # Every other option of an active gene is another architecture.
    assert len(neighbours) == sum(size - 1 for size, on in zip(space.sizes, active, strict=True) if on)
    for neighbour in neighbours:
        both = [a and b for a, b in zip(active, space.active(neighbour.genes), strict=True)]
        pairs = zip(architecture.genes, neighbour.genes, both, strict=True)
        assert sum(a != b for a, b, on in pairs if on) == 1
    like = [other for other in neighbours if space.active(other.genes) == active]
    assert all(architecture in space.neighbours(other) for other in like[:2])


@cache
def envelope(space: Space) -> dict[tuple[str, str], tuple[int, ...]]:
    return {(node.name, spec.name): spec.shape for node in space.envelope() for spec in tensors(node)}


@given(drawn())
def test_every_tensor_fits_into_the_envelope(pair: tuple[Space, Architecture]) -> None:
    space, architecture = pair
    widest = envelope(space)
    for node in space.draw(architecture).nodes:
        for spec in tensors(node):
            limit = widest[node.name, spec.name]
            assert all(size <= most for size, most in zip(spec.shape, limit, strict=True))


@pytest.mark.parametrize("space", CHAINS.values(), ids=CHAINS)
def test_the_envelope_is_not_larger_than_necessary(space: Space) -> None:
    largest = space.largest()
    widest: dict[tuple[str, str], tuple[int, ...]] = {}
    for network in (largest, *space.neighbours(largest)):
        for node in space.draw(network).nodes:
            # Groups are a mask on dense weights, but depthwise weights are stored as they are.
            dense = node if node.groups == node.cin else replace(node, groups=1)
            for spec in tensors(dense):
                known = widest.get((node.name, spec.name), spec.shape)
                widest[node.name, spec.name] = tuple(map(max, known, spec.shape))
    assert envelope(space) == widest


@pytest.mark.parametrize("space", CHAINS.values(), ids=CHAINS)
def test_all_genes_of_the_largest_are_active(space: Space) -> None:
    assert all(space.active(space.largest().genes))


@pytest.mark.parametrize("space", ENUMERABLE, ids=lambda space: space.name)
def test_count_bounds_and_ends_agree_with_enumeration(space: Space) -> None:
    listed = list(space.enumerate())
    assert len(set(listed)) == len(listed)
    assert space.count() == (len(listed), True)
    assert Space.count(space) == (len(listed), True)
    costs = [exact_objectives(space.cost(architecture)) for architecture in listed]
    for name in EXACT:
        values = [row[name] for row in costs]
        assert space.bounds(name) == (min(values), max(values))
        assert space.costs(space.cheapest(name))[name] == min(values)
    assert space.costs(space.smallest())["ops"] == space.bounds("ops")[0]
    assert space.costs(space.largest())["ops"] == space.bounds("ops")[1]


def test_group_mobile_8_has_288_architectures() -> None:
    assert SPACES["group-mobile-8"].count().number == 2 * 3 * 3 * 4 * 4


def test_an_estimated_count_is_near_the_exact_one() -> None:
    # The default for families without a formula.
    space = SPACES["elastic-8"]
    assert Space.count(space).number == pytest.approx(space.count().number, rel=0.05)


def widths_in_order(blocks: int) -> int:
    """Number of nondecreasing sequences of widths for these blocks, out of three widths."""
    return comb(blocks + 2, 2)


PER_DEPTH = 6**2 + 6**3 + 6**4  # two kernels and three groups per block, 2 to 4 blocks


def test_counts_of_large_spaces_equal_their_formulas() -> None:
    depths = {48: (2, 3), 96: (2, 3), 192: (2, 3), 384: (8, 9), 768: (2, 3)}
    nas_bnn = 3  # widths of the stem
    for width, numbers in depths.items():
        choices = 1 if width == 48 else 4  # kernels and groups
        nas_bnn *= sum(widths_in_order(number) * choices**number for number in numbers)
    assert nas_bnn == pytest.approx(3.3e17, rel=0.01)
    operations = sum(comb(12, free) * 2**free * 5 ** (12 - free) for free in range(4 + 1))
    sizes = {
        "elastic-mobile-224": nas_bnn,
        "elastic-resnet-32": 3**3 * PER_DEPTH**3,
        "elastic-resnet-224": 3**4 * PER_DEPTH**3 * (6**3 + 6**4 + 6**6),
        "op-chain-32": operations,
    }
    assert {name: SPACES[name].count() for name in sizes} == {n: (size, True) for n, size in sizes.items()}


@every_space
def test_samples_are_reproducible(space: Space) -> None:
    first, second = ([space.sample(np.random.default_rng(3)) for _ in range(2)] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["elastic-8", "elastic-mobile-224", "elastic-resnet-8", "op-chain-32"])
@pytest.mark.parametrize("objective", ["ops", "params"])
def test_cost_uniform_samples_reach_every_tenth_of_the_range_and_every_option(
    name: str, objective: str
) -> None:
    space = SPACES[name]
    rng = np.random.default_rng(0)
    low, high = space.bounds(objective)
    draws = [space.sample_cost_uniform(rng, objective) for _ in range(400)]
    costs = [space.costs(draw)[objective] for draw in draws]
    tenths = np.minimum((np.array(costs) - low) / (high - low) * 10, 9).astype(int)
    assert set(tenths.tolist()) == set(range(10))
    genes = np.array([draw.genes for draw in draws])
    assert [len(np.unique(column)) for column in genes.T] == list(space.sizes)


def test_the_ops_of_elastic_8_span_a_factor_of_four() -> None:
    low, high = SPACES["elastic-8"].bounds("ops")
    assert high >= 4 * low


@given(drawn())
@settings(max_examples=50)
def test_costs_equal_those_of_the_blueprint_and_are_within_the_bounds(
    pair: tuple[Space, Architecture],
) -> None:
    space, architecture = pair
    assert space.costs(architecture) == exact_objectives(cost(space.draw(architecture)))
    for network in (architecture, *space.neighbours(architecture)[:5]):
        for name, value in space.costs(network).items():
            low, high = space.bounds(name)
            assert low <= value <= high, name


@pytest.mark.parametrize("space", CHAINS.values(), ids=CHAINS)
def test_the_minimum_of_every_cost_is_attained_by_a_network(space: Space) -> None:
    for name in EXACT:
        cheapest = space.cheapest(name)
        assert space.parse(cheapest.key) == cheapest
        assert exact_objectives(cost(space.draw(cheapest)))[name] == space.bounds(name)[0]
    for end, which in ((space.smallest(), 0), (space.largest(), 1)):
        assert cost(space.draw(end)).ops == space.bounds("ops")[which]


@every_space
def test_crossover_and_mutation_give_legal_architectures(space: Space) -> None:
    rng = np.random.default_rng(0)
    breeding = Breeding(Problem(space, ("ops", "params")))
    parents = [space.sample(rng) for _ in range(20)]
    values = np.array([[space.costs(parent)[name] for name in ("ops", "params")] for parent in parents])
    survivors = breeding.survivors(parents, values, np.zeros(20), 20, rng)
    for child in breeding.offspring(survivors, 20, rng):
        assert space.repair(child.genes) == child.genes
        assert space.parse(child.key) == child
        assert space.draw(child).classes == space.classes


@every_space
def test_a_definition_builds_the_same_space(space: Space) -> None:
    text = yaml.safe_dump(space.definition())
    again = build(space.name, yaml.safe_load(text), "test")
    assert again.hash == space.hash
    assert again.genes == space.genes
    assert again.largest() == space.largest()


def test_writing_a_default_does_not_change_the_hash() -> None:
    spelled = deepcopy(SMALL)
    spelled["stem"] |= {"kernel": 3, "stride": 1}
    spelled["stages"][1]["blocks"] = [2, 1]
    assert build("a", spelled, "test").hash == build("b", SMALL, "test").hash


def test_a_scalar_equals_a_list_of_one_option() -> None:
    listed = deepcopy(CHOSEN)
    listed["stages"][1]["each"]["operation"] = ["b3"]
    scalar = deepcopy(listed)
    scalar["stages"][1]["each"]["operation"] = "b3"
    assert build("a", scalar, "test").hash == build("b", listed, "test").hash


def test_shipped_spaces_have_different_hashes() -> None:
    assert len({space.hash for space in SPACES.values()}) == len(SPACES)


def test_fit_changes_only_image_and_classes() -> None:
    space = SPACES["elastic-8"]
    fitted = space.fit((3, 8, 8), 4)
    blueprint = fitted.draw(fitted.smallest())
    assert (blueprint.image, blueprint.classes) == ((3, 8, 8), 4)
    assert fitted.genes == space.genes
    with refused(ValueError, "elastic-8", "8x8", "4 to 16", "32x32"):
        space.fit((1, 32, 32), 10)


@given(st.data())
def test_a_space_takes_images_of_half_to_twice_its_size(data: st.DataObject) -> None:
    space = data.draw(st.sampled_from([load(name) for name in names()]))
    least, most = space.sides
    height, width = (data.draw(st.integers(least, most)) for _ in range(2))
    fitted = space.fit((3, height, width), 7)
    blueprint = fitted.draw(fitted.largest())
    assert (blueprint.image, blueprint.classes) == ((3, height, width), 7)
    assert fitted.genes == space.genes
    for side in (least - 1, most + 1):
        with refused(ValueError, f"{least} to {most}", f"{side}x{width}"):
            space.fit((3, side, width), 7)


def test_spaces_that_take_an_image_are_ordered_by_the_distance_of_their_size() -> None:
    result = taking((1, 28, 28), 10)
    assert {space.name for space in result} == {name for name in names() if name.endswith(("-16", "-32"))}
    assert all(space.image == (1, 28, 28) for space in result)
    both = [space.name for space in taking((3, 16, 16), 10)]
    assert both[0] == "elastic-16"
    assert both.index("elastic-8") < both.index("elastic-mobile-32")
    assert taking((3, 90, 90), 10) == []


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("", ("stem.channels", "c8-")),
        ("c8-c16d1.k3g2-c32d1.k3g4", ("stage3.channels", "c8-")),
        ("c9-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4", ("stem.channels is 9", "[8, 16]")),
        ("c8-d1.k3g2-c32d1.k3g4-c64d1.k3g4", ("d1", "stage1.channels (c…)", "c8-")),
        ("c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4k3", ("elastic-8", "c8-")),
        ("c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g04", ("elastic-8", "c8-")),
        ("C8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4", ("d1", "stage1.channels", "c8-")),
        ("C8-c8-c16d1.k3g2-c32d1.k3g4-c64d1.k3g4", ("elastic-8", "c8-")),
    ],
)
def test_a_wrong_key_is_refused_with_the_wrong_part(key: str, parts: tuple[str, ...]) -> None:
    with refused(ValueError, repr(key), *parts):
        SPACES["elastic-8"].parse(key)


def test_a_space_without_choices_has_one_architecture() -> None:
    fixed = deepcopy(SMALL)
    fixed["stem"]["channels"] = 8
    fixed["stages"] = [{"channels": 16}]
    space = build("fixed", fixed, "test")
    assert space.parse(space.smallest().key) == space.largest()
    assert space.count() == (1, True)
    assert space.neighbours(space.smallest()) == ()
    rng = np.random.default_rng(0)
    assert space.sample(rng) == space.sample_cost_uniform(rng) == space.smallest()


def _stage(**fields: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["stages"][1].update(fields)


def _top(**fields: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(fields)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (_top(family="chian"), ["family", "'chian'", "choose from chain"]),
        (_top(family=["chain"]), ["family", "['chain']", "choose from chain"]),
        (lambda content: content.pop("family"), ["family", "None", "choose from chain"]),
        (lambda content: content.pop("classes"), ["classes: is missing"]),
        (_top(clases=3), ["clases", 'did you mean "classes"?']),
        (_top(classes="ten"), ["classes", "integer", "'ten'"]),
        (_top(classes=1), ["classes", "2", "(got 1)"]),
        (_top(block="reakt"), ["block", "'reakt'", 'did you mean "react"?']),
        (_top(transition={"weights": "real"}), ["transition", "react", "leave it out"]),
        (_top(stem={"kind": "quick"}), ["stem", "quick", "stride 4", "not 1"]),
        (_top(constraints={"min_grup": 8}), ["constraints", "'min_grup'", 'did you mean "min_group"?']),
        (_top(constraints={"min_group": 0}), ["constraints", "min_group: 0", "1 or more"]),
        (_top(constraints={"nondecreasing": "depth"}), ["nondecreasing: 'depth'", "write channels"]),
        (_top(constraints={"max_parameter_free": 2}), ["max_parameter_free: 2", "1/3"]),
        (
            _top(constraints={"max_parameter_free": "1/2"}),
            ["constraints.max_parameter_free", "channels, blocks, kernel, groups", "leave it out"],
        ),
        (_top(stages=[{"channels": 16, "stride": 9}]), ["stages.1.stride", "9"]),
        (_top(stages=[{"channels": []}]), ["stages.1.channels", "[]"]),
        (_top(image=[8, 8]), ["image.3: is missing"]),
        (_top(stages=[]), ["stages", "empty"]),
        (_top(stem=3), ["stem", "key: value", "(got 3)"]),
        (_stage(chanels=3), ["stages.2.chanels", 'did you mean "channels"?']),
        (_stage(each={"grups": 3}), ["stages.2.each.grups", 'did you mean "groups"?']),
        (_stage(channels=[]), ["stages.2.channels", "empty"]),
        (_stage(channels=[32, 32]), ["stages.2.channels", "[32, 32]", "duplicate"]),
        (_stage(channels=[8]), ["stages.2.channels", "8 is less than 16", "stage 1", "16 or more"]),
        (_stage(channels=[20.5]), ["stages.2.channels.1", "integer", "20.5"]),
        (_stage(channels="32"), ["stages.2.channels", "list", "'32'"]),
        (_stage(channels=True), ["stages.2.channels"]),
        (_stage(blocks=0), ["stages.2.blocks.1", "1"]),
        (_stage(kernel=[3, 4]), ["stages.2.kernel", "kernel 4", "write 3 or 5"]),
        (_stage(each={"groups": [1, 3]}), ["stages.2.groups", "3 groups", "16 channels"]),
        (_stage(groups=2), ["stages.2", "groups", "`each`", "keep one"]),
        (
            _top(block="quick", transition={"weights": "ternary"}),
            ["transition.weights", "'real' or 'binary'", "'ternary'"],
        ),
        (_top(block="choice"), ["stages.1.kernel", "choice", "channels and operation"]),
        (_stage(each={"channels": [64, 96]}), ["channels", "`each`", "keep one"]),
        (_stage(channels=None), ["stages.2", "channels is missing", "`each`"]),
        (
            lambda content: content["stages"].append({"blocks": 2, "each": {"channels": [64, 96]}}),
            ["stages.3.each.channels", "64 may follow 96", "`constraints: {nondecreasing: channels}`"],
        ),
        (_stage(stride=5), ["stages.2.stride", "4", "(got 5)"]),
    ],
)
def test_a_wrong_space_file_is_refused(
    change: Callable[[dict[str, Any]], None], parts: list[str], tmp_path: Path
) -> None:
    content = deepcopy(SMALL)
    change(content)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with refused(UsageError, f"{path}: ", *parts):
        load(path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("family: [chain", ["YAML", "line 1"]),
        ("family: !!python/object/apply:os.system [ls]", ["use plain values"]),
        ("- chain", ["`key: value`", "list"]),
        ("", ["`key: value`"]),
        ("? [a, b]\n: 1", ["use plain values"]),
        ("family: chain\nblock: react\nfamily: chain", ["line 3", "'family'"]),
    ],
)
def test_a_file_that_is_not_a_space_is_refused(text: str, parts: list[str], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with refused(UsageError, str(path), *parts):
        load(path)


def test_a_missing_space_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    with refused(UsageError, "'elastic-9'", 'did you mean "elastic-8"?'):
        load("elastic-9")
    with refused(UsageError, str(tmp_path / "none.yaml")):
        load(tmp_path / "none.yaml")
