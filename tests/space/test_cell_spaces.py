"""Laws of the spaces of cells: one canonical form, legal by repair, costs within true bounds."""

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
def test_repair_is_idempotent_and_a_key_names_its_architecture(drawn: tuple[Space, Genes]) -> None:
    space, raw = drawn
    architecture = space.architecture(raw)
    assert space.repair(architecture.genes) == architecture.genes
    assert space.parse(architecture.key) == architecture


@given(chosen(CELLS), st.lists(st.booleans(), min_size=8, max_size=8))
def test_the_order_of_the_edges_of_a_node_says_nothing(drawn: tuple[Space, Genes], swaps: list[bool]) -> None:
    space, raw = drawn
    turned = list(raw)
    for node, swap in enumerate(swaps):
        operation, source, other_operation, other_source = raw[4 * node : 4 * node + 4]
        # The second edge has one more option, `none`, which comes first.
        if swap and other_operation:
            turned[4 * node : 4 * node + 4] = (other_operation - 1, other_source, operation + 1, source)
    assert space.architecture(turned) == space.architecture(raw)


@given(chosen(CELLS), st.randoms(use_true_random=False))
def test_the_source_of_no_operation_says_nothing(drawn: tuple[Space, Genes], random: Any) -> None:
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
def test_the_cap_on_parameter_free_operations_is_that_of_the_file(data: st.DataObject) -> None:
    free = data.draw(st.integers(0, 4))
    space = build("strict", {**TINY, "constraints": {"max_parameter_free": f"{free}/8"}}, "test")
    raw = data.draw(genes(space))
    for cell in cells(space.architecture(raw)).values():
        weighted = sum(not TABLE[edge.operation].parameter_free for edges in cell for edge in edges)
        assert weighted >= 8 - free


@given(chosen(ALL), st.data())
@settings(max_examples=60)
def test_near_genes_have_equal_keys_only_where_they_draw_the_same(
    drawn: tuple[Space, Genes], data: st.DataObject
) -> None:
    space, raw = drawn
    other = list(raw)
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=3)):
        other[place] = data.draw(st.integers(0, space.sizes[place] - 1))
    one, two = space.architecture(raw), space.architecture(other)
    assert (one == two) == (one.key == two.key) == (space.draw(one) == space.draw(two))


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
def test_every_network_runs_and_costs_what_torch_counts(drawn: tuple[Space, Genes]) -> None:
    space, raw = drawn
    architecture = space.architecture(raw)
    blueprint = space.draw(architecture)
    logits = Network(blueprint).train()(images_for(space, 2))
    assert logits.shape == (2, space.classes)
    assert logits.isfinite().all()
    found = space.cost(architecture)
    assert macs_by_torch(blueprint) == found.bops + found.flops


SUPERNETS = {name: random_supernet(space) for name, space in SMALL.items()}


@pytest.mark.parametrize("weights", get_args(Weights))
@pytest.mark.parametrize("name", SMALL)
@given(data=st.data())
@settings(max_examples=8)
def test_an_extracted_cell_network_equals_the_supernet_to_the_last_bit(
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
    kept = breeding.survivors(parents, rng.random((len(parents), 2)), len(parents), rng)
    for child in breeding.offspring(kept, 12, rng):
        assert space.parse(child.key) == child
        assert space.cost(child).ops <= (low + high) / 2


@st.composite
def cell_spaces(draw: st.DrawFn) -> Space:
    """Small cell spaces of all proportions."""
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
    for place in data.draw(st.lists(st.integers(0, len(near) - 1), max_size=4)):
        near[place] = data.draw(st.integers(0, space.sizes[place] - 1))
    found = space.costs(space.architecture(near))
    for objective in EXACT:
        low, high = space.bounds(objective)
        assert low <= found[objective] <= high, objective


@pytest.mark.parametrize("space", SMALL.values(), ids=SMALL)
def test_no_neighbour_of_the_ends_is_outside_the_bounds(space: Space) -> None:
    near = [other for end in (space.smallest(), space.largest()) for other in space.neighbours(end)]
    found = [space.costs(other) for other in near]
    for objective in EXACT:
        low, high = space.bounds(objective)
        values = [costs[objective] for costs in found]
        assert low <= min(values) <= max(values) <= high, objective


def test_bounds_of_the_error_are_0_and_chance() -> None:
    assert CELL_8.bounds("error") == NB201_8.bounds("error") == (0, 0.9)


@pytest.mark.parametrize("space", [CELL_8, NB201_8], ids=lambda space: space.name)
def test_tilted_draws_reach_both_ends(space: Space) -> None:
    rng = np.random.default_rng(0)
    low, high = space.bounds("ops")
    costs = [space.cost(space.sample_cost_uniform(rng)).ops for _ in range(60)]
    assert min(costs) < low + (high - low) / 10
    assert max(costs) > high - (high - low) / 10


def test_every_way_to_write_a_node_is_counted_once() -> None:
    """Of a node that reads m maps: 49 pairs of operations on two of them, or one that is no skip on one."""
    for node, sources in enumerate(range(2, 6)):
        forms = {
            space_genes[4 * node : 4 * node + 4]
            for place in product(range(7), range(sources), range(8), range(sources))
            for space_genes in [
                CELL_224.repair([4, 0, 5, 1] * node + list(place) + [4, 0, 5, 1] * (7 - node))
            ]
        }
        assert len(forms) == comb(sources, 2) * 49 + sources * 6


def test_the_count_is_that_of_the_generating_function() -> None:
    """x marks a parameter-free operation: none, or 3 of the 7 others."""
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
def test_the_ends_cost_what_they_did(name: str, groups: int, least: float, most: float) -> None:
    space = load(name)
    fixed = build("fixed", {**space.definition(), "groups": groups}, "test")
    assert [round(bound / 1e6, 1) for bound in fixed.bounds("ops")] == [least, most]


def test_an_input_that_no_node_reads_is_not_prepared() -> None:
    names = {node.name for node in CELL_224.draw(CELL_224.smallest()).nodes}
    assert "c3.in0" in names
    assert not any(".in1" in name for name in names)
    both = {node.name for node in CELL_224.draw(CELL_224.largest()).nodes}
    assert {"c3.in0", "c3.in1"} <= both


def test_the_stream_of_real_values_passes_every_cell() -> None:
    blueprint = CELL_32.draw(CELL_32.largest())
    names = [node.name for node in blueprint.nodes]
    for cell in range(1, 9):
        made, past = blueprint.nodes[names.index(f"c{cell}.out")].inputs
        assert names[made] == f"c{cell}.concat"
        while names[past] in (f"c{cell}.tile", f"c{cell}.pool"):
            (past,) = blueprint.nodes[past].inputs
        assert names[past] == ("stem" if cell == 1 else f"c{cell - 1}.out")


def test_an_operation_adds_its_input_where_it_keeps_the_size() -> None:
    for space, before, after in (
        (CELL_8, ("shift",), ("norm", "prelu")),
        (BATS, ("norm",), ("scale", "prelu")),
    ):
        nodes = {node.name: node for node in space.draw(space.largest()).nodes}
        # Of three cells the second one reduces.
        for name, add in (("c1.n2.0.b5", ("add",)), ("c2.n2.0.b5", ())):
            assert (nodes[name].before, nodes[name].after) == (before, (*after, *add))
            assert nodes[name].groups == (12 if space is BATS else 1)
        strided = {nodes[name].stride for name in ("c2.n2.0.b5", "c2.n3.1.b5")}
        assert strided == {2}
    pooled = CELL_224.draw(of_key(CELL_224, n="max3.0+avg3.1_b3.0+b3.2_b3.0+b3.2_b3.0+b3.2"))
    assert {node.after for node in pooled.nodes if node.op == "pool_max"} == {("norm",)}


def test_one_key_read_by_hand() -> None:
    key = "n=b3.0+skip.1_max3.2_d5.0+b5.3_b3.2+b3.4-r=b3.0+b3.1_b3.0+b3.1_b3.0+b3.1_skip.1+avg3.4"
    nodes = CELL_224.draw(CELL_224.parse(key)).nodes
    places = {node.name: node for node in nodes}
    third = places["c1.n4.0.d5"]
    assert (third.kernel, third.dilation, third.shape) == (5, 2, (48, 56, 56))
    assert [nodes[i].name for i in places["c1.n2"].inputs] == ["c1.n2.0.b3", "c1.in1"]
    assert [nodes[i].name for i in places["c1.concat"].inputs] == ["c1.n2", "c1.n3.2.max3", "c1.n4", "c1.n5"]
    # A skip of a reduction cell is a mean over windows; what reads one of its nodes has stride 1.
    assert (places["c4.n5.1.skip"].op, places["c4.n5.1.skip"].stride) == ("pool_avg", 2)
    assert places["c4.n5.4.avg3"].stride == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n": "b3.0_b3.0"}, "normal cell: 'b3.0_b3.0' has 2 nodes; write 4, with _ between them"),
        ({"r": "b3.0_b3.0_b3.0_b3"}, "reduction cell: node 5: 'b3' is no edge; write it like b3.0"),
        ({"n": "b3.0_b3.0_b3.4_b3.0"}, "normal cell: node 4: reads 4; choose from 0 to 3"),
        ({"n": "b3.0_b7.0_b3.0_b3.0"}, "node 3: 'b7' is no operation; choose from skip, avg3"),
        ({"n": "b3.0_none_b3.0_b3.0"}, "node 3: 'none' has 0 edges; write 1 to 2"),
        ({"n": "b3.0_b3.0+b3.1+b5.2_b3.0_b3.0"}, "'b3.0+b3.1+b5.2' has 3 edges; write 1 to 2"),
        ({"n": "b3.1+b3.0_b3.0_b3.0_b3.0"}, "is no key of binary-cell-224; near to it is n=b3.0+b3.1_b3.0_"),
        ({"n": "b3.0_b3.0_skip.0+skip.1_avg3.0"}, "is no key of binary-cell-224; near to it is n=b3.0_b3.0_"),
        ({"g": "1"}, "has 3 parts; it reads like n="),
    ],
)
def test_cell_keys_that_are_none(changed: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  its message is looked at
        of_key(CELL_224, **changed)
    assert message in str(raised.value)


def test_groups_stand_in_a_key_where_they_are_a_gene() -> None:
    key = CELL_32.largest().key
    assert key.endswith("-g1")
    assert CELL_32.parse(key.replace("-g1", "-g4")).genes[-1] == 1
    with pytest.raises(ValueError, match="'g2' are no groups; choose from g1, g4"):
        CELL_32.parse(key.replace("-g1", "-g2"))
    with pytest.raises(ValueError, match=r"'r=.*' stands where the normal cell \(n=…\) is asked for"):
        CELL_32.parse("-".join(key.split("-")[i] for i in (1, 0, 2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem": {"channels": 17}}, "cannot narrow 17 channels to the 16 that a cell puts out; write 16"),
        ({"stem": {"kind": "quick", "channels": 8}}, "stem: a quick stem has stride 4; write that"),
        (
            {"stem": {"kind": "quick", "stride": 4, "channels": 10}},
            "stem: a quarter of 10 channels is no whole number",
        ),
        (
            {"constraints": {"max_parameter_free": 0.5, "nondecreasing": "channels"}},
            "constraints.nondecreasing: has no say over operation, groups; leave it out",
        ),
        ({"groups": [1, 3]}, "groups: 3 groups do not divide 4 channels"),
        ({"cells": 2}, "cells: input should be greater than or equal to 3 (got 2)"),
        ({"constraints": {}}, "write max_parameter_free: 1/2, or less"),
        ({"constraints": {"max_parameter_free": 0.75}}, "write max_parameter_free: 1/2, or less"),
        (
            {"groups": [1, 4], "constraints": {"max_parameter_free": 0.5, "min_group": 2}},
            "groups: of [1, 4] the constraints allow [1]; write these",
        ),
        ({"block": "react"}, "block: input should be 'cell' or 'bats' (got 'react')"),
        ({"chanels": 4}, 'chanels: unknown key; did you mean "channels"?'),
    ],
)
def test_a_wrong_cell_file_is_explained(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        build("mine", {**deepcopy(TINY), **change}, "mine.yaml")
    assert message in str(raised.value)


@pytest.mark.parametrize("space", [CELL_8, NB201_8], ids=lambda space: space.name)
def test_a_cell_space_is_fitted_to_other_images_of_its_size(space: Space) -> None:
    fitted = space.fit((3, 8, 8), 4)
    blueprint = fitted.draw(fitted.smallest())
    assert (blueprint.image, blueprint.classes) == ((3, 8, 8), 4)
    assert fitted.genes == space.genes
    with pytest.raises(ValueError, match=f"{space.name} .* takes 4 to 16 pixels a side, not 8x17"):
        space.fit((1, 8, 17), 4)


def nb201_genes() -> list[Genes]:
    return list(product(range(5), repeat=6))


def test_nb201_counts_its_networks() -> None:
    """Of 15,625 genes 341 draw no path; the others draw 9,043 networks."""
    straight = NB201_8.smallest().genes
    connected = []
    for raw in nb201_genes():
        kept = NB201_8.repair(raw)
        # Along the edges, in the order of the nodes that they end in.
        ways = {0}
        for (source, node), gene in zip(nb201.EDGES, raw, strict=True):
            if gene and source in ways:
                ways.add(node)
        if 3 in ways:
            connected.append(raw)
        else:
            assert kept == straight
    assert len(nb201_genes()) - len(connected) == 341
    assert len(connected) == 15_284
    assert NB201_8.count() == (len({NB201_8.repair(raw) for raw in connected}), True) == (9_043, True)


@given(genes(NB201_8))
def test_repair_keeps_the_network_that_nb201_genes_draw(raw: Genes) -> None:
    reached, kept = {0}, []
    for (source, node), gene in zip(nb201.EDGES, raw, strict=True):
        kept.append(gene if source in reached else 0)
        if kept[-1]:
            reached.add(node)
    if 3 not in reached:
        # The nearest network is one gene away: the input becomes the output.
        kept[nb201.EDGES.index((0, 3))] = nb201.OPERATIONS.index("skip")
    numbers: dict[Any, int] = {}
    found, asked = drawing(NB201_8.repair(raw)), drawing(tuple(kept))
    assert summed(found, numbers) == summed(asked, numbers)
    before, after = (exact_objectives(cost(blueprint)) for blueprint in (asked, found))
    # Sums of the same terms are formed where they need the least memory.
    assert after.pop("peak_activation_bytes") <= before.pop("peak_activation_bytes")
    assert after == before


def drawing(raw: Genes) -> Blueprint:
    """The network of genes as they are, without repair."""
    return Blueprint(nb201.draw(NB201_8.cells, nb201.decode(raw)))


def summed(blueprint: Blueprint, numbers: dict[Any, int]) -> tuple[int, ...]:
    """What a network puts out, as the terms of a sum, nested sums taken apart.

    `numbers` has a number for each term: the name of a node, with the terms of all that it reads.
    """
    maps: list[tuple[int, ...]] = []
    for node in blueprint.nodes:
        read = [maps[index] for index in node.inputs]
        if node.op == "sum":
            maps.append(tuple(sorted(chain.from_iterable(read))))
        else:
            maps.append((numbers.setdefault((node.name, *read), len(numbers)),))
    return maps[-1]


def nb201_networks() -> list[Genes]:
    return sorted({NB201_8.repair(raw) for raw in nb201_genes()})


def test_no_two_nb201_networks_add_up_the_same_terms() -> None:
    numbers: dict[Any, int] = {}
    every = nb201_networks()
    assert len({summed(drawing(raw), numbers) for raw in every}) == len(every)


def logits(supernet: Supernet, key: str) -> Tensor:
    """Logits of the cell of a key as it is written, in double precision."""
    cell = read(key, nb201.NODES, 1, range(nb201.NODES + 1), nb201.OPERATIONS)
    blueprint = Blueprint(nb201.draw(NB201_8.cells, cell))
    with torch.no_grad():
        return execute(blueprint, images_for(NB201_8, 8).double(), supernet.slices(), BatchStatistics())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("b3.0_b3.1_skip.0+skip.2", "b3.0_skip.0+b3.1_skip.2"),
        ("b1.0_skip.0+b3.1_avg3.1+skip.2", "b1.0_b3.1_skip.0+avg3.1+skip.2"),
        ("skip.0_avg3.0+skip.1_skip.2", "none_avg3.0_skip.0+skip.2"),
    ],
)
def test_nb201_cells_that_add_up_the_same_terms_are_one_network(one: str, other: str) -> None:
    supernet = random_supernet(NB201_8).double()
    torch.testing.assert_close(logits(supernet, one), logits(supernet, other), rtol=0, atol=1e-9)
    keys = {NB201_8.architecture(genes_of(key)).key for key in (one, other)}
    assert len(keys) == 1
    assert keys <= {one, other}


def genes_of(key: str) -> list[int]:
    """Genes of a key that need not be canonical."""
    found = {(part[-1], node): part[:-2] for node, p in enumerate(key.split("_"), 1) for part in p.split("+")}
    return [nb201.OPERATIONS.index(found.get((str(source), node), "none")) for source, node in nb201.EDGES]


def test_nb201_networks_with_the_same_weights_have_other_logits() -> None:
    supernet = random_supernet(NB201_8).double()
    alike: dict[frozenset[str], list[str]] = {}
    for raw in nb201_networks():
        operations = (node.name for node in drawing(raw).nodes if node.op != "sum")
        alike.setdefault(frozenset(operations), []).append(NB201_8.key(raw))
    pairs = [pair for keys in alike.values() for pair in pairwise(keys)]
    assert len(pairs) > 1000
    for one, other in pairs[:: len(pairs) // 60]:
        # Norms forget the scale of a map all but for their epsilon, so two may be near.
        assert (logits(supernet, one) - logits(supernet, other)).abs().max() > 1e-9, (one, other)


def test_isomorphic_nb201_cells_have_other_weights_and_one_shape() -> None:
    one, other = NB201_8.parse("b3.0_none_b1.1"), NB201_8.parse("none_b3.0_b1.2")
    assert NB201_8.draw(one) != NB201_8.draw(other)
    assert NB201_8.draw(one).shape_key == NB201_8.draw(other).shape_key


def test_the_skeleton_of_nb201() -> None:
    nodes = {node.name: node for node in NB201_32.draw(NB201_32.largest()).nodes}
    assert [nodes[f"s{stage}.c5.n3"].shape for stage in (1, 2, 3)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert (nodes["s2.down.a"].stride, nodes["s2.down.b"].stride) == (2, 1)
    assert nodes["s3.down.tile"].shape == (64, 8, 8)
    # The straight cell is its input: nothing but stem, reductions and classifier is left.
    straight = NB201_32.draw(NB201_32.smallest()).nodes
    assert sum(node.op == "conv" for node in straight) == 1 + 2 * 2


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("b3.0_none", "has 2 nodes; write 3, with _ between them"),
        ("none_none_none", "is no key of nb201-binary-8; near to it is none_none_skip.0"),
        ("b3.0_none_skip.0", "is no key of nb201-binary-8; near to it is none_none_skip.0"),
        ("b3.0_b5.1_skip.0", "node 2: 'b5' is no operation; choose from skip, avg3, b1, b3"),
        ("b3.1_none_skip.0", "node 1: reads 1; choose from 0 to 0"),
    ],
)
def test_nb201_keys_that_are_none(key: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  its message is looked at
        NB201_8.parse(key)
    assert message in str(raised.value)
