"""Laws of cell spaces: canonical genes, legal cells, exact counts and bounds, shared weights."""

from copy import deepcopy
from itertools import chain, pairwise, product
from math import comb
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evo_bnas.binary.execute import BatchStatistics, Mode, execute
from evo_bnas.binary.network import Network
from evo_bnas.binary.weights import Weights
from evo_bnas.errors import UsageError
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import cost
from evo_bnas.network.node import tensors
from evo_bnas.network.objectives import EXACT, exact_objectives
from evo_bnas.search.breeding import Breeding
from evo_bnas.search.problem import Problem
from evo_bnas.space import nb201
from evo_bnas.space.catalogue import build, load
from evo_bnas.space.cell import CellSpace
from evo_bnas.space.cell_genes import GENES, KINDS, decode
from evo_bnas.space.cell_text import Cell, read
from evo_bnas.space.genes import Architecture, Genes, Space
from evo_bnas.space.operations import OPERATIONS as TABLE
from evo_bnas.supernet.supernet import Supernet
from tests.support.blueprints import macs_by_torch
from tests.support.refusals import refused
from tests.support.strategies import architectures, genes
from tests.support.supernets import assert_extracted_equals, images_for, random_supernet

TINY: dict[str, Any] = {
    "family": "cell",
    "image": [1, 8, 8],
    "classes": 10,
    "stem": {"channels": 8},
    "channels": 4,
    "cells": 3,
    "constraints": {"max_parameter_free": "1/2"},
}
CELL_8, CELL_32, CELL_224 = (load(f"binary-cell-{size}") for size in (8, 32, 224))
NB201_8, NB201_32 = (load(f"nb201-binary-{size}") for size in (8, 32))
# Bulat et al., BATS: norm before the sign, learned scale after it, 12 groups.
BATS = build(
    "bats", {**TINY, "block": "bats", "stem": {"channels": 12}, "channels": 12, "groups": 12}, "test"
)
SMALL = {space.name: space for space in (CELL_8, NB201_8, BATS)}
ALL = {space.name: space for space in (*SMALL.values(), CELL_32, CELL_224, NB201_32)}
CELLS = {name: space for name, space in ALL.items() if isinstance(space, CellSpace)}


def chosen(spaces: dict[str, Space]) -> st.SearchStrategy[tuple[Space, Genes]]:
    """A space and any option indices."""
    return st.sampled_from(list(spaces.values())).flatmap(lambda s: st.tuples(st.just(s), genes(s)))


def cells(architecture: Architecture) -> dict[str, Cell]:
    return {kind: decode(architecture.genes[i * GENES : (i + 1) * GENES]) for i, kind in enumerate(KINDS)}


def of_key(space: Space, **changed: str) -> Architecture:
    plain = "b3.0+b3.1"
    parts = {"n": "_".join([plain] * 4), "r": "_".join([plain] * 4)} | changed
    return space.parse("-".join(f"{letter}={text}" for letter, text in parts.items()))


@given(chosen(ALL))
@settings(max_examples=100)
def test_repair_is_idempotent_and_parsing_a_key_returns_its_architecture(drawn: tuple[Space, Genes]) -> None:
    space, raw = drawn
    architecture = space.architecture(raw)
    assert space.repair(architecture.genes) == architecture.genes
    assert space.parse(architecture.key) == architecture


@given(chosen(CELLS), st.lists(st.booleans(), min_size=8, max_size=8))
def test_the_order_of_the_edges_of_a_node_does_not_matter(
    drawn: tuple[Space, Genes], swaps: list[bool]
) -> None:
    space, raw = drawn
    swapped = list(raw)
    for node, swap in enumerate(swaps):
        operation, source, other_operation, other_source = raw[4 * node : 4 * node + 4]
        # The second edge has one more option, `none`, which comes first.
        if swap and other_operation:
            swapped[4 * node : 4 * node + 4] = (other_operation - 1, other_source, operation + 1, source)
    assert space.architecture(swapped) == space.architecture(raw)


@given(chosen(CELLS), st.randoms(use_true_random=False))
def test_the_source_of_none_is_inactive(drawn: tuple[Space, Genes], random: Any) -> None:
    space, raw = drawn
    architecture = space.architecture(raw)
    active = space.active(architecture.genes)
    other = [
        gene if on else random.randrange(size)
        for gene, on, size in zip(architecture.genes, active, space.sizes, strict=True)
    ]
    assert space.architecture(other) == architecture
    nones = sum(len(edges) == 1 for cell in cells(architecture).values() for edges in cell)
    assert active.count(False) == nones


@given(chosen(CELLS))
def test_every_cell_is_legal(drawn: tuple[Space, Genes]) -> None:
    space, raw = drawn
    for cell in cells(space.architecture(raw)).values():
        for edges in cell:
            sources = [edge.source for edge in edges]
            assert sources == sorted(set(sources))
            assert [edge.operation for edge in edges] != ["skip"]
        weighted = sum(not TABLE[edge.operation].parameter_free for edges in cell for edge in edges)
        assert weighted >= 4


@given(st.data())
def test_the_limit_on_parameter_free_operations_comes_from_the_file(data: st.DataObject) -> None:
    free = data.draw(st.integers(0, 4))
    space = build("strict", {**TINY, "constraints": {"max_parameter_free": f"{free}/8"}}, "test")
    raw = data.draw(genes(space))
    for cell in cells(space.architecture(raw)).values():
        weighted = sum(not TABLE[edge.operation].parameter_free for edges in cell for edge in edges)
        assert weighted >= 8 - free


@given(chosen(ALL), st.data())
@settings(max_examples=60)
def test_similar_genes_have_equal_keys_only_if_they_draw_the_same_network(
    drawn: tuple[Space, Genes], data: st.DataObject
) -> None:
    space, raw = drawn
    other = list(raw)
    for i in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=3)):
        other[i] = data.draw(st.integers(0, space.sizes[i] - 1))
    first, second = space.architecture(raw), space.architecture(other)
    assert (first == second) == (first.key == second.key) == (space.draw(first) == space.draw(second))


@given(chosen(ALL))
@settings(max_examples=40)
def test_every_tensor_is_in_the_envelope(drawn: tuple[Space, Genes]) -> None:
    space, raw = drawn
    widest = {(node.name, spec.name): spec.shape for node in space.envelope() for spec in tensors(node)}
    groups = {node.name: node.groups for node in space.envelope()}
    for node in space.draw(space.architecture(raw)).nodes:
        for spec in tensors(node):
            shape = widest[node.name, spec.name]
            if spec.name == "weight" and len(shape) == 4:
                # Groups are a mask on the dense tensor.
                assert spec.shape[1] * node.groups == shape[1] * groups[node.name]
                shape = (shape[0], spec.shape[1], *shape[2:])
            assert spec.shape == shape


@given(chosen(SMALL))
@settings(max_examples=5)
def test_every_network_runs_and_has_the_macs_that_torch_counts(drawn: tuple[Space, Genes]) -> None:
    space, raw = drawn
    architecture = space.architecture(raw)
    blueprint = space.draw(architecture)
    logits = Network(blueprint).train()(images_for(space, 2))
    assert logits.shape == (2, space.classes)
    assert logits.isfinite().all()
    result = space.cost(architecture)
    assert macs_by_torch(blueprint) == result.bops + result.flops


SUPERNETS = {name: random_supernet(space) for name, space in SMALL.items()}


@pytest.mark.parametrize("weights", get_args(Weights))
@pytest.mark.parametrize("name", SMALL)
@given(data=st.data())
@settings(max_examples=8)
def test_an_extracted_cell_network_equals_the_supernet_bit_for_bit(
    name: str, weights: Weights, data: st.DataObject
) -> None:
    supernet = SUPERNETS[name]
    assert_extracted_equals(supernet, data.draw(architectures(supernet.space)), Mode(weights))


@pytest.mark.parametrize("space", [BATS, NB201_8], ids=lambda space: space.name)
def test_children_are_legal_and_within_the_limits(space: Space) -> None:
    rng = np.random.default_rng(0)
    low, high = space.bounds("ops")
    problem = Problem(space, ("error", "ops"), {"ops": (low + high) / 2})
    parents = list({problem.repair(space.sample(rng), rng) for _ in range(8)})
    breeding = Breeding(problem)
    points = rng.random((len(parents), 2))
    kept = breeding.survivors(parents, points, np.zeros(len(parents)), len(parents), rng)
    for child in breeding.offspring(kept, 12, rng):
        assert space.parse(child.key) == child
        assert space.cost(child).ops <= (low + high) / 2


@st.composite
def cell_spaces(draw: st.DrawFn) -> Space:
    """Small cell spaces with all kinds of sizes."""
    channels = draw(st.sampled_from([2, 4, 12]))
    content = {
        **TINY,
        "block": draw(st.sampled_from(["cell", "bats"])),
        "image": [3, draw(st.integers(4, 12)), draw(st.integers(4, 12))],
        "stem": {"channels": draw(st.integers(1, 4 * channels)), "stride": draw(st.integers(1, 2))},
        "channels": channels,
        "cells": draw(st.integers(3, 6)),
        "groups": draw(st.sampled_from([1, 2, [1, 2]])),
        "constraints": {"max_parameter_free": f"{draw(st.integers(0, 4))}/8"},
    }
    return build("any", content, "test")


@given(cell_spaces(), st.data())
@settings(max_examples=60)
def test_no_network_of_any_cell_space_is_outside_the_bounds(space: Space, data: st.DataObject) -> None:
    start = st.sampled_from([space.smallest().genes, space.largest().genes]) | genes(space)
    near = list(data.draw(start))
    for i in data.draw(st.lists(st.integers(0, len(near) - 1), max_size=4)):
        near[i] = data.draw(st.integers(0, space.sizes[i] - 1))
    result = space.costs(space.architecture(near))
    for objective in EXACT:
        low, high = space.bounds(objective)
        assert low <= result[objective] <= high, objective


@pytest.mark.parametrize("space", SMALL.values(), ids=SMALL)
def test_no_neighbour_of_the_ends_is_outside_the_bounds(space: Space) -> None:
    near = [other for end in (space.smallest(), space.largest()) for other in space.neighbours(end)]
    result = [space.costs(other) for other in near]
    for objective in EXACT:
        low, high = space.bounds(objective)
        values = [costs[objective] for costs in result]
        assert low <= min(values) <= max(values) <= high, objective


def test_bounds_of_the_error_are_0_and_that_of_chance() -> None:
    assert CELL_8.bounds("error") == NB201_8.bounds("error") == (0, 0.9)


@pytest.mark.parametrize("space", [CELL_8, NB201_8], ids=lambda space: space.name)
def test_cost_uniform_samples_reach_both_ends(space: Space) -> None:
    rng = np.random.default_rng(0)
    low, high = space.bounds("ops")
    costs = [space.cost(space.sample_cost_uniform(rng)).ops for _ in range(60)]
    assert min(costs) < low + (high - low) / 10
    assert max(costs) > high - (high - low) / 10


def test_every_node_has_one_canonical_form() -> None:
    """Per node: 49 pairs of operations on two sources, or one of 6 operations on one source."""
    for node, sources in enumerate(range(2, 6)):
        forms = {
            space_genes[4 * node : 4 * node + 4]
            for node_genes in product(range(7), range(sources), range(8), range(sources))
            for space_genes in [
                CELL_224.repair([4, 0, 5, 1] * node + list(node_genes) + [4, 0, 5, 1] * (7 - node))
            ]
        }
        assert len(forms) == comb(sources, 2) * 49 + sources * 6


def test_the_count_agrees_with_the_generating_function() -> None:
    """x stands for a parameter-free operation: 3 of 7."""
    x = np.polynomial.Polynomial([0, 1])
    per_cell = np.polynomial.Polynomial([1])
    for sources in range(2, 6):
        per_cell *= comb(sources, 2) * (4 + 3 * x) ** 2 + sources * (4 * x + 2 * x**2)
    one_kind = round(sum(per_cell.coef[:5]))
    assert CELL_224.count() == (one_kind**2, True)
    assert CELL_32.count() == (2 * one_kind**2, True)
    assert one_kind == 1_221_396_480


@pytest.mark.parametrize(
    ("name", "groups", "least", "most"),
    [("binary-cell-32", 1, 5.0, 17.4), ("binary-cell-32", 4, 3.0, 6.4), ("binary-cell-224", 1, 51.9, 242.1)],
)
def test_the_ends_have_the_recorded_ops(name: str, groups: int, least: float, most: float) -> None:
    space = load(name)
    fixed = build("fixed", {**space.definition(), "groups": groups}, "test")
    assert [round(bound / 1e6, 1) for bound in fixed.bounds("ops")] == [least, most]


def test_an_unused_input_is_not_drawn() -> None:
    names = {node.name for node in CELL_224.draw(CELL_224.smallest()).nodes}
    assert "c3.in0" in names
    assert not any(".in1" in name for name in names)
    both = {node.name for node in CELL_224.draw(CELL_224.largest()).nodes}
    assert {"c3.in0", "c3.in1"} <= both


def test_a_real_valued_shortcut_passes_every_cell() -> None:
    blueprint = CELL_32.draw(CELL_32.largest())
    names = [node.name for node in blueprint.nodes]
    for cell in range(1, 9):
        output, shortcut = blueprint.nodes[names.index(f"c{cell}.out")].inputs
        assert names[output] == f"c{cell}.concat"
        while names[shortcut] in (f"c{cell}.tile", f"c{cell}.pool"):
            (shortcut,) = blueprint.nodes[shortcut].inputs
        assert names[shortcut] == ("stem" if cell == 1 else f"c{cell - 1}.out")


def test_an_operation_without_stride_adds_its_input() -> None:
    for space, before, after in (
        (CELL_8, ("shift",), ("norm", "prelu")),
        (BATS, ("norm",), ("scale", "prelu")),
    ):
        nodes = {node.name: node for node in space.draw(space.largest()).nodes}
        # The second of three cells is a reduction cell.
        for name, add in (("c1.n2.0.b5", ("add",)), ("c2.n2.0.b5", ())):
            assert (nodes[name].before, nodes[name].after) == (before, (*after, *add))
            assert nodes[name].groups == (12 if space is BATS else 1)
        strided = {nodes[name].stride for name in ("c2.n2.0.b5", "c2.n3.1.b5")}
        assert strided == {2}
    pooled = CELL_224.draw(of_key(CELL_224, n="max3.0+avg3.1_b3.0+b3.2_b3.0+b3.2_b3.0+b3.2"))
    assert {node.after for node in pooled.nodes if node.op == "pool_max"} == {("norm",)}


def test_the_drawing_of_one_key() -> None:
    key = "n=b3.0+skip.1_max3.2_d5.0+b5.3_b3.2+b3.4-r=b3.0+b3.1_b3.0+b3.1_b3.0+b3.1_skip.1+avg3.4"
    nodes = CELL_224.draw(CELL_224.parse(key)).nodes
    places = {node.name: node for node in nodes}
    third = places["c1.n4.0.d5"]
    assert (third.kernel, third.dilation, third.shape) == (5, 2, (48, 56, 56))
    assert [nodes[i].name for i in places["c1.n2"].inputs] == ["c1.n2.0.b3", "c1.in1"]
    assert [nodes[i].name for i in places["c1.concat"].inputs] == ["c1.n2", "c1.n3.2.max3", "c1.n4", "c1.n5"]
    # In a reduction cell, a skip of an input is a mean over windows, and edges between nodes have stride 1.
    assert (places["c4.n5.1.skip"].op, places["c4.n5.1.skip"].stride) == ("pool_avg", 2)
    assert places["c4.n5.4.avg3"].stride == 1


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"n": "b3.0_b3.0"}, ["normal cell", "'b3.0_b3.0'", "2 nodes", "write 4"]),
        ({"r": "b3.0_b3.0_b3.0_b3"}, ["reduction cell", "node 5", "'b3'", "write it like b3.0"]),
        ({"n": "b3.0_b3.0_b3.4_b3.0"}, ["normal cell", "node 4", "source 4", "choose from 0 to 3"]),
        ({"n": "b3.0_b7.0_b3.0_b3.0"}, ["node 3", "'b7'", "choose from skip, avg3"]),
        ({"n": "b3.0_none_b3.0_b3.0"}, ["node 3", "'none'", "0 edges", "write 1 to 2"]),
        ({"n": "b3.0_b3.0+b3.1+b5.2_b3.0_b3.0"}, ["'b3.0+b3.1+b5.2'", "3 edges", "write 1 to 2"]),
        ({"n": "b3.1+b3.0_b3.0_b3.0_b3.0"}, ["binary-cell-224", "write n=b3.0+b3.1_b3.0_"]),
        ({"n": "b3.0_b3.0_skip.0+skip.1_avg3.0"}, ["binary-cell-224", "write n=b3.0_b3.0_"]),
        ({"g": "1"}, ["3 parts", "write it like n="]),
    ],
)
def test_a_wrong_cell_key_is_refused_with_the_wrong_part(changed: dict[str, str], parts: list[str]) -> None:
    with refused(ValueError, *parts):
        of_key(CELL_224, **changed)


def test_groups_are_in_the_key_if_they_are_a_gene() -> None:
    key = CELL_32.largest().key
    assert key.endswith("-g1")
    assert CELL_32.parse(key.replace("-g1", "-g4")).genes[-1] == 1
    with refused(ValueError, "'g2'", "choose from g1, g4"):
        CELL_32.parse(key.replace("-g1", "-g2"))
    with refused(ValueError, "'r=", "normal cell", "n=…"):
        CELL_32.parse("-".join(key.split("-")[i] for i in (1, 0, 2)))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"stem": {"channels": 17}}, ["stem.channels", "17", "16", "write 16"]),
        ({"stem": {"kind": "quick", "channels": 8}}, ["stem", "quick", "stride 4", "not 1"]),
        (
            {"stem": {"kind": "quick", "stride": 4, "channels": 10}},
            ["stem", "10 channels", "multiple of 4"],
        ),
        (
            {"constraints": {"max_parameter_free": 0.5, "nondecreasing": "channels"}},
            ["constraints.nondecreasing", "operation, groups", "leave it out"],
        ),
        ({"groups": [1, 3]}, ["groups", "3 groups", "4 channels"]),
        ({"cells": 2}, ["cells", "3", "(got 2)"]),
        ({"constraints": {}}, ["constraints", "max_parameter_free is 1,", "1/2 or less"]),
        ({"constraints": {"max_parameter_free": 0.75}}, ["max_parameter_free is 0.75", "1/2 or less"]),
        (
            {"groups": [1, 4], "constraints": {"max_parameter_free": 0.5, "min_group": 2}},
            ["groups", "[1]", "[1, 4]"],
        ),
        ({"block": "react"}, ["block", "'cell' or 'bats'", "'react'"]),
        ({"chanels": 4}, ["chanels", 'did you mean "channels"?']),
    ],
)
def test_a_wrong_cell_file_is_refused(change: dict[str, Any], parts: list[str]) -> None:
    with refused(UsageError, "mine.yaml: ", *parts):
        build("mine", {**deepcopy(TINY), **change}, "mine.yaml")


@pytest.mark.parametrize("space", [CELL_8, NB201_8], ids=lambda space: space.name)
def test_a_cell_space_can_be_fitted_to_other_images(space: Space) -> None:
    fitted = space.fit((3, 8, 8), 4)
    blueprint = fitted.draw(fitted.smallest())
    assert (blueprint.image, blueprint.classes) == ((3, 8, 8), 4)
    assert fitted.genes == space.genes
    with refused(ValueError, space.name, "4 to 16", "8x17"):
        space.fit((1, 8, 17), 4)


def nb201_genes() -> list[Genes]:
    return list(product(range(5), repeat=6))


def test_nb201_has_9043_networks() -> None:
    """Of 15,625 genes, 341 have no path; the others give 9,043 networks."""
    identity = NB201_8.smallest().genes
    connected = []
    for raw in nb201_genes():
        kept = NB201_8.repair(raw)
        # Edges are in the order of their target nodes.
        reached = {0}
        for (source, node), gene in zip(nb201.EDGES, raw, strict=True):
            if gene and source in reached:
                reached.add(node)
        if 3 in reached:
            connected.append(raw)
        else:
            assert kept == identity
    assert len(nb201_genes()) - len(connected) == 341
    assert len(connected) == 15_284
    assert NB201_8.count() == (len({NB201_8.repair(raw) for raw in connected}), True) == (9_043, True)


@given(genes(NB201_8))
def test_repair_keeps_the_network_of_nb201_genes(raw: Genes) -> None:
    reached, kept = {0}, []
    for (source, node), gene in zip(nb201.EDGES, raw, strict=True):
        kept.append(gene if source in reached else 0)
        if kept[-1]:
            reached.add(node)
    if 3 not in reached:
        # The nearest network is one gene away: the input becomes the output.
        kept[nb201.EDGES.index((0, 3))] = nb201.OPERATIONS.index("skip")
    numbers: dict[Any, int] = {}
    result, unrepaired = drawing(NB201_8.repair(raw)), drawing(tuple(kept))
    assert summed(result, numbers) == summed(unrepaired, numbers)
    before, after = (exact_objectives(cost(blueprint)) for blueprint in (unrepaired, result))
    # The canonical genes form the same sums with the least memory.
    assert after.pop("peak_activation_bytes") <= before.pop("peak_activation_bytes")
    assert after == before


def drawing(raw: Genes) -> Blueprint:
    """The network of genes without repair."""
    return Blueprint(nb201.draw(NB201_8.cells, nb201.decode(raw)))


def summed(blueprint: Blueprint, numbers: dict[Any, int]) -> tuple[int, ...]:
    """The output of a network as the terms of a sum, with nested sums expanded.

    `numbers` has a number for each term, which is the name of a node with the terms of its inputs.
    """
    maps: list[tuple[int, ...]] = []
    for node in blueprint.nodes:
        inputs = [maps[index] for index in node.inputs]
        if node.op == "sum":
            maps.append(tuple(sorted(chain.from_iterable(inputs))))
        else:
            maps.append((numbers.setdefault((node.name, *inputs), len(numbers)),))
    return maps[-1]


def nb201_networks() -> list[Genes]:
    return sorted({NB201_8.repair(raw) for raw in nb201_genes()})


def test_nb201_networks_with_different_keys_add_different_terms() -> None:
    numbers: dict[Any, int] = {}
    every = nb201_networks()
    assert len({summed(drawing(raw), numbers) for raw in every}) == len(every)


def logits(supernet: Supernet, key: str) -> Tensor:
    """Logits of the cell of a key, without repair, in double precision."""
    cell = read(key, nb201.NODES, 1, range(nb201.NODES + 1), nb201.OPERATIONS)
    blueprint = Blueprint(nb201.draw(NB201_8.cells, cell))
    with torch.no_grad():
        return execute(blueprint, images_for(NB201_8, 8).double(), supernet.slices(), BatchStatistics())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("b3.0_b3.1_skip.0+skip.2", "b3.0_skip.0+b3.1_skip.2"),
        ("b1.0_skip.0+b3.1_avg3.1+skip.2", "b1.0_b3.1_skip.0+avg3.1+skip.2"),
        ("skip.0_avg3.0+skip.1_skip.2", "none_avg3.0_skip.0+skip.2"),
    ],
)
def test_nb201_cells_that_add_the_same_terms_are_one_network(first: str, second: str) -> None:
    supernet = random_supernet(NB201_8).double()
    torch.testing.assert_close(logits(supernet, first), logits(supernet, second), rtol=0, atol=1e-9)
    keys = {NB201_8.architecture(genes_of(key)).key for key in (first, second)}
    assert len(keys) == 1
    assert keys <= {first, second}


def genes_of(key: str) -> list[int]:
    """Genes of a key that need not be canonical."""
    result = {
        (part[-1], node): part[:-2] for node, p in enumerate(key.split("_"), 1) for part in p.split("+")
    }
    return [nb201.OPERATIONS.index(result.get((str(source), node), "none")) for source, node in nb201.EDGES]


def test_different_nb201_networks_with_the_same_weights_have_different_logits() -> None:
    supernet = random_supernet(NB201_8).double()
    alike: dict[frozenset[str], list[str]] = {}
    for raw in nb201_networks():
        operations = (node.name for node in drawing(raw).nodes if node.op != "sum")
        alike.setdefault(frozenset(operations), []).append(NB201_8.key(raw))
    pairs = [pair for keys in alike.values() for pair in pairwise(keys)]
    assert len(pairs) > 1000
    for first, second in pairs[:: len(pairs) // 60]:
        # Norms cancel the scale of a map except for their epsilon, so that logits may be close.
        assert (logits(supernet, first) - logits(supernet, second)).abs().max() > 1e-9, (first, second)


def test_isomorphic_nb201_cells_have_different_weights_and_one_shape_key() -> None:
    first, second = (NB201_8.draw(NB201_8.parse(key)) for key in ("b3.0_none_b1.1", "none_b3.0_b1.2"))
    assert first != second
    assert first.shape_key == second.shape_key


def test_nb201_has_the_skeleton_of_the_benchmark() -> None:
    nodes = {node.name: node for node in NB201_32.draw(NB201_32.largest()).nodes}
    assert [nodes[f"s{stage}.c5.n3"].shape for stage in (1, 2, 3)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert (nodes["s2.down.a"].stride, nodes["s2.down.b"].stride) == (2, 1)
    assert nodes["s3.down.tile"].shape == (64, 8, 8)
    # The cell of the smallest network returns its input, so only stem, reductions and classifier remain.
    smallest = NB201_32.draw(NB201_32.smallest()).nodes
    assert sum(node.op == "conv" for node in smallest) == 1 + 2 * 2


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("b3.0_none", ["2 nodes", "write 3"]),
        ("none_none_none", ["nb201-binary-8", "write none_none_skip.0"]),
        ("b3.0_none_skip.0", ["nb201-binary-8", "write none_none_skip.0"]),
        ("b3.0_b5.1_skip.0", ["node 2", "'b5'", "choose from skip, avg3, b1, b3"]),
        ("b3.1_none_skip.0", ["node 1", "source 1", "choose from 0 to 0"]),
    ],
)
def test_a_wrong_nb201_key_is_refused_with_the_wrong_part(key: str, parts: list[str]) -> None:
    with refused(ValueError, repr(key), *parts):
        NB201_8.parse(key)
