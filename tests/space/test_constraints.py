"""What constraints promise, on the nodes of drawn networks, and what they say where they leave nothing."""

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
    """Channels that each group of every group convolution reads."""
    return [node.cin // node.groups for node in blueprint.nodes if node.op == "conv" and node.groups > 1]


@pytest.mark.parametrize(
    "constraints", [{}, {"min_group": 16}, {"align": 32}, {"min_group": 40, "align": 16}], ids=str
)
@given(data=st.data())
@settings(max_examples=30)
def test_any_genes_become_a_network_that_keeps_to_the_rules(
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
def test_repair_changes_only_what_the_rules_refuse(data: st.DataObject) -> None:
    space = build("overlapping", overlapping(), "test")
    raw = data.draw(genes(space))
    canonical = space.repair(raw)
    most = 0
    for gene, wanted, taken, active in zip(space.genes, raw, canonical, space.active(raw), strict=True):
        if not active:
            assert taken == 0
        elif not gene.name.endswith("channels"):
            assert taken == wanted
        else:
            # The running maximum of widths, or the next one that the stage has.
            most = max(most, int(gene.options[wanted]))
            most = min(int(option) for option in gene.options if int(option) >= most)
            assert gene.options[taken] == most


@given(st.data())
@settings(max_examples=30)
def test_a_third_of_the_operations_at_most_has_no_weights(data: st.DataObject) -> None:
    space = SPACES["op-chain-32"]
    architecture = space.architecture(data.draw(genes(space)))
    names = [space.genes[i].options[option] for i, option in enumerate(architecture.genes)]
    assert sum(OPERATIONS[str(name)].parameter_free for name in names) <= 4


def test_the_first_free_operations_stay_and_later_ones_give_way() -> None:
    space = SPACES["op-chain-8"]
    skip = space.genes[0].options.index("skip")
    assert space.architecture([skip] * 6).key == "skip.skip.b3g4-b3g4.b3g4.b3g4"


def test_a_share_is_counted_anew_in_every_scope() -> None:
    rules = Rules({"max_parameter_free": "1/2"})
    state = rules.start
    taken = []
    for scope in ("normal", "normal", "reduction", "reduction"):
        choice = Choice("edge", "operation", ("b3", "skip"), scope=scope, positions=2)
        option, state = rules.settle(state, choice, "skip")
        taken.append(option)
    assert taken == ["skip", "b3", "skip", "b3"]


def test_the_nearest_option_is_the_last_allowed_before_it_else_the_first() -> None:
    assert nearest((1, 2, 4, 8), (1, 2), 8) == 2
    assert nearest((1, 2, 4, 8), (1, 2, 8), 8) == 8
    assert nearest((24, 32, 48), (32, 48), 24) == 32


def test_one_group_is_always_allowed() -> None:
    content = overlapping(align=64)
    space = build("overlapping", content, "test")
    assert set(fan_ins(space.draw(space.cheapest("params")))) <= {64, 128}


@pytest.mark.parametrize(
    ("number", "stage", "constraints", "message"),
    [
        (3, {"channels": 64}, {}, "3.channels: none of [64] may follow 128 channels; offer 128 or more"),
        (
            1,
            {"channels": 64, "groups": [2, 4]},
            {"min_group": 64},
            "1.groups: none of [2, 4] groups reads 64 channels each where there are 32; offer fewer groups",
        ),
        (
            2,
            {"channels": 128, "each": {"groups": 4}},
            {"align": 32},
            "2.each.groups: none of [4] groups reads a multiple of 32 channels each where there are 32; "
            "offer 1",
        ),
    ],
)
def test_an_infeasible_space_is_refused(
    number: int, stage: dict[str, Any], constraints: dict[str, Any], message: str
) -> None:
    content = deepcopy(overlapping(**constraints))
    content["stages"][number - 1] = stage
    with pytest.raises(UsageError) as raised:
        build("overlapping", content, "test")
    assert str(raised.value) == f"test: stages.{message}"


def test_a_choice_of_pools_alone_is_refused() -> None:
    content: dict[str, Any] = SPACES["op-chain-8"].definition()
    content["stages"][0]["each"]["operation"] = ["avg3", "skip"]
    with pytest.raises(UsageError) as raised:
        build("free", content, "test")
    assert str(raised.value) == (
        "test: stages.1.each.operation: none of ['avg3', 'skip'] has weights, but at most 2 of 6 operations "
        "may have none; offer b3"
    )


def test_a_key_that_breaks_a_constraint_is_refused() -> None:
    space = SPACES["op-chain-8"]
    with pytest.raises(
        ValueError, match=r"does not keep to the constraints of op-chain-8; near to it is skip"
    ):
        space.parse("skip.skip.skip-b3.b3.b3")
