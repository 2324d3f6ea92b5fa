"""Constraints: the networks that they allow, repair, and the refusal of infeasible spaces."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evo_bnas.errors import UsageError
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.space.catalogue import build
from evo_bnas.space.constraints import Choice, Rules, nearest
from evo_bnas.space.operations import OPERATIONS
from tests.support.refusals import refused
from tests.support.strategies import SPACES, genes

OVERLAPPING: dict[str, Any] = {
    "family": "chain",
    "block": "react",
    "image": [1, 8, 8],
    "classes": 10,
    "constraints": {"nondecreasing": "channels"},
    "stem": {"channels": [32, 64]},
    "stages": [
        {"blocks": [1, 2, 3], "each": {"channels": [32, 64, 96], "groups": [1, 2, 4]}},
        {"blocks": [1, 2], "stride": 2, "channels": [64, 128], "groups": [1, 2, 4, 8]},
        {"blocks": 2, "each": {"channels": [96, 128], "groups": [1, 2], "pointwise_groups": [1, 4]}},
    ],
}


def overlapping(**constraints: object) -> dict[str, Any]:
    return OVERLAPPING | {"constraints": OVERLAPPING["constraints"] | constraints}


def fan_ins(blueprint: Blueprint) -> list[int]:
    """Input channels per group of every group convolution."""
    return [node.cin // node.groups for node in blueprint.nodes if node.op == "conv" and node.groups > 1]


@pytest.mark.parametrize(
    "constraints", [{}, {"min_group": 16}, {"align": 32}, {"min_group": 40, "align": 16}], ids=str
)
@given(data=st.data())
@settings(max_examples=30)
def test_any_genes_are_repaired_to_a_network_within_the_constraints(
    constraints: dict[str, int], data: st.DataObject
) -> None:
    space = build("overlapping", overlapping(**constraints), "test")
    architecture = space.architecture(data.draw(genes(space)))
    assert space.repair(architecture.genes) == architecture.genes
    assert space.parse(architecture.key) == architecture
    blueprint = space.draw(architecture)
    widths = [node.shape[0] for node in blueprint.nodes[:-2]]
    assert widths[1:] == sorted(widths[1:])
    for fan_in in fan_ins(blueprint):
        assert fan_in >= constraints.get("min_group", 1)
        assert fan_in % constraints.get("align", 1) == 0


@given(st.data())
def test_repair_changes_only_refused_options(data: st.DataObject) -> None:
    space = build("overlapping", overlapping(), "test")
    raw = data.draw(genes(space))
    canonical = space.repair(raw)
    width = 0
    for gene, wanted, option, active in zip(space.genes, raw, canonical, space.active(raw), strict=True):
        if not active:
            assert option == 0
        elif not gene.name.endswith("channels"):
            assert option == wanted
        else:
            # The running maximum of widths, or the next larger option of the stage.
            width = max(width, int(gene.options[wanted]))
            width = min(int(other) for other in gene.options if int(other) >= width)
            assert gene.options[option] == width


@given(st.data())
@settings(max_examples=30)
def test_at_most_a_third_of_the_operations_is_parameter_free(data: st.DataObject) -> None:
    space = SPACES["op-chain-32"]
    architecture = space.architecture(data.draw(genes(space)))
    names = [space.genes[i].options[option] for i, option in enumerate(architecture.genes)]
    assert sum(OPERATIONS[str(name)].parameter_free for name in names) <= 4


def test_the_last_parameter_free_operations_are_replaced() -> None:
    space = SPACES["op-chain-8"]
    skip = space.genes[0].options.index("skip")
    assert space.architecture([skip] * 6).key == "skip.skip.b3g4-b3g4.b3g4.b3g4"


def test_a_share_is_relative_to_its_scope() -> None:
    rules = Rules({"max_parameter_free": "1/2"})
    state = rules.start
    options = []
    for scope in ("normal", "normal", "reduction", "reduction"):
        choice = Choice("edge", "operation", ("b3", "skip"), scope=scope, positions=2)
        option, state = rules.settle(state, choice, "skip")
        options.append(option)
    assert options == ["skip", "b3", "skip", "b3"]


def test_the_nearest_option_is_the_last_allowed_one_before_it_or_the_first() -> None:
    assert nearest((1, 2, 4, 8), (1, 2), 8) == 2
    assert nearest((1, 2, 4, 8), (1, 2, 8), 8) == 8
    assert nearest((24, 32, 48), (32, 48), 24) == 32


def test_one_group_is_always_allowed() -> None:
    content = overlapping(align=64)
    space = build("overlapping", content, "test")
    assert set(fan_ins(space.draw(space.cheapest("params")))) <= {64, 128}


@pytest.mark.parametrize(
    ("number", "stage", "constraints", "parts"),
    [
        (3, {"channels": 64}, {}, ["stages.3.channels", "[64]", "128 channels", "128 or more"]),
        (
            1,
            {"channels": 64, "groups": [2, 4]},
            {"min_group": 64},
            ["stages.1.groups", "[2, 4]", "64 of 32 channels", "offer fewer groups"],
        ),
        (
            2,
            {"channels": 128, "each": {"groups": 4}},
            {"align": 32},
            ["stages.2.each.groups", "[4]", "multiple of 32", "offer 1"],
        ),
    ],
)
def test_an_infeasible_space_is_refused(
    number: int, stage: dict[str, Any], constraints: dict[str, Any], parts: list[str]
) -> None:
    content = deepcopy(overlapping(**constraints))
    content["stages"][number - 1] = stage
    with refused(UsageError, "test: ", *parts):
        build("overlapping", content, "test")


def test_a_choice_of_pools_only_is_refused() -> None:
    content: dict[str, Any] = SPACES["op-chain-8"].definition()
    content["stages"][0]["each"]["operation"] = ["avg3", "skip"]
    parts = ("test: stages.1.each.operation", "['avg3', 'skip']", "2 of 6", "offer b3")
    with refused(UsageError, *parts):
        build("free", content, "test")


def test_a_key_that_violates_a_constraint_is_refused_with_the_nearest() -> None:
    space = SPACES["op-chain-8"]
    with refused(ValueError, "op-chain-8", "skip.skip.b3g4-"):
        space.parse("skip.skip.skip-b3.b3.b3")
