"""Blueprints: which ones are refused, their tensors, JSON, identity."""

import json
from dataclasses import replace

import pytest
from hypothesis import given

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node, norms, tensors
from evo_bnas.space.genes import Architecture, Space
from tests.support.refusals import refused
from tests.support.strategies import drawn

IMAGE = Node("image", "image", (), (3, 8, 8))
STEM = Node("stem", "conv", (0,), (4, 8, 8), cin=3, kernel=3, after=("norm",))
BINARY = Node(
    "binary",
    "conv",
    (1, 1),
    (4, 8, 8),
    cin=4,
    kernel=3,
    weight_bits=1,
    input_bits=1,
    before=("shift",),
    after=("norm", "add", "rprelu"),
)
MEAN = Node("mean", "mean", (2,), (4, 1, 1))
DENSE = Node("classifier", "dense", (3,), (10, 1, 1), cin=4)
NODES = (IMAGE, STEM, BINARY, MEAN, DENSE)


def changed(index: int, **fields: object) -> tuple[Node, ...]:
    return (*NODES[:index], replace(NODES[index], **fields), *NODES[index + 1 :])


def test_image_classes_and_last_uses_follow_from_the_nodes() -> None:
    blueprint = Blueprint(NODES)
    assert blueprint.image == (3, 8, 8)
    assert blueprint.classes == 10
    assert blueprint.last_use == (1, 2, 3, 4, 4)


@pytest.mark.parametrize(
    ("nodes", "parts"),
    [
        ((IMAGE,), ["at least one more node"]),
        (NODES[1:], ["stem:", "image"]),
        ((IMAGE, replace(IMAGE, name="other")), ["other:", "image"]),
        ((replace(IMAGE, inputs=(0,)), *NODES[1:]), ["image:", "no inputs"]),
        ((replace(IMAGE, after=("norm",)), *NODES[1:]), ["image:", "no steps"]),
        (changed(1, op="convolution"), ["stem:", "'convolution'", "choose from image, conv"]),
        (changed(1, inputs=()), ["stem:", "needs an input"]),
        (changed(1, inputs=(3,)), ["stem:", "(3,)"]),
        (changed(1, shape=(0, 8, 8)), ["stem:", "(0, 8, 8)"]),
        (changed(1, stride=0), ["stem:", "stride 0"]),
        (changed(1, before=("norm", "shift")), ["stem:", "`before`", "('norm', 'shift')"]),
        (changed(1, before=("prelu",)), ["stem:", "`before`", "('prelu',)"]),
        (changed(1, after=("norm", "scale")), ["stem:", "`after`", "('norm', 'scale')"]),
        (changed(2, after=("add", "norm")), ["binary:", "`after`", "('add', 'norm')"]),
        (changed(1, weight_bits=2), ["stem:", "weights of 2 bits", "1, 8 or 32"]),
        (changed(1, input_bits=8), ["stem:", "inputs of 8 bits", "1 or 32"]),
        (changed(3, input_bits=1), ["mean:", "conv and dense", "1-bit inputs"]),
        (changed(2, pad=-1), ["binary:", "-1", "0 or 1"]),
        (changed(1, cin=4), ["stem:", "cin is 4", "3 channels"]),
        (changed(2, inputs=(1,)), ["binary:", "(1,)"]),
        (changed(1, inputs=(0, 0)), ["stem:", "(0, 0)"]),
        (changed(3, inputs=(2, 2)), ["mean:", "(2, 2)"]),
        (changed(2, inputs=(1, 0)), ["binary:", "(3, 8, 8)", "(4, 8, 8)"]),
        (changed(2, stride=2), ["binary:", "(4, 8, 8)", "stride 2"]),
        (changed(1, kernel=4), ["stem:", "kernel 4"]),
        (changed(2, groups=3), ["binary:", "3 groups", "4 input"]),
        (changed(3, shape=(5, 1, 1)), ["mean:", "5 channels", "4"]),
        (changed(3, shape=(4, 2, 1)), ["mean:", "(4, 2, 1)", "1x1"]),
        (changed(3, before=("shift",)), ["mean:", "conv and dense", "`before`"]),
        (changed(3, after=("add",)), ["mean:", "conv and dense", "shortcut"]),
        (changed(4, inputs=(2,)), ["classifier:", "(4, 8, 8)", "1x1"]),
        (changed(4, after=("relu",)), ["classifier:", "`after`"]),
        (changed(2, name="stem"), ["duplicate", "stem"]),
        (changed(3, inputs=(1,)), ["binary:", "no later node reads it"]),
    ],
)
def test_nodes_that_do_not_fit_together_are_refused(nodes: tuple[Node, ...], parts: list[str]) -> None:
    with refused(ValueError, *parts):
        Blueprint(nodes)


@pytest.mark.parametrize(
    ("node", "parts"),
    [
        (Node("x", "pool_max", (1,), (5, 4, 4), kernel=2, stride=2), ["x:", "5 channels", "4"]),
        (Node("x", "pool_avg", (1, 0), (4, 8, 8)), ["x:", "(1, 0)"]),
        (Node("x", "pool_avg", (1,), (4, 8, 8), kernel=2), ["x:", "kernel 2", "stride 1"]),
        (Node("x", "tile", (1,), (8, 4, 4)), ["x:", "(8, 4, 4)", "(4, 8, 8)"]),
        (Node("x", "concat", (0, 1), (8, 8, 8)), ["x:", "8 channels", "sum"]),
        (Node("x", "concat", (0, 1), (7, 4, 8)), ["x:", "(7, 4, 8)"]),
        (Node("x", "sum", (0, 1), (4, 8, 8)), ["x:", "(4, 8, 8)", "(3, 8, 8)"]),
    ],
)
def test_pools_tiles_and_joins_that_do_not_fit_are_refused(node: Node, parts: list[str]) -> None:
    with refused(ValueError, *parts):
        Blueprint((IMAGE, STEM, node))


def test_tensors_of_a_react_layer() -> None:
    specs = {spec.name: (spec.shape, spec.bits) for spec in tensors(replace(BINARY, groups=2))}
    assert specs == {
        "shift": ((4,), 32),
        "weight": ((4, 2, 3, 3), 1),
        "norm.gain": ((4,), 32),
        "norm.bias": ((4,), 32),
        "act.slope": ((4,), 32),
        "act.shift_in": ((4,), 32),
        "act.shift_out": ((4,), 32),
    }
    assert norms(BINARY) == (("norm", 4),)


def test_repeated_steps_have_different_addresses() -> None:
    node = replace(BINARY, before=("norm",), after=("norm", "prelu", "norm", "add", "relu"))
    assert [site for site, _ in node.steps] == ["norm", "act", "norm2", "add", "act2"]
    assert norms(node) == (("before", 4), ("norm", 4), ("norm2", 4))
    names = [spec.name for spec in tensors(node)]
    assert len(set(names)) == len(names)


@given(drawn())
def test_rows_survive_json(pair: tuple[Space, Architecture]) -> None:
    space, architecture = pair
    blueprint = space.draw(architecture)
    assert Blueprint.from_rows(json.loads(json.dumps(blueprint.to_rows()))) == blueprint


def test_rows_that_are_not_a_blueprint_are_refused() -> None:
    rows = Blueprint(NODES).to_rows()
    with pytest.raises(TypeError):
        Blueprint.from_rows([*rows[:1], rows[1] | {"colour": 1}, *rows[2:]])
    with pytest.raises(ValueError, match="cin is 9"):
        Blueprint.from_rows([*rows[:1], rows[1] | {"cin": 9}, *rows[2:]])


@given(drawn())
def test_shape_key_ignores_names_and_nothing_else(pair: tuple[Space, Architecture]) -> None:
    space, architecture = pair
    blueprint = space.draw(architecture)
    renamed = Blueprint(tuple(replace(node, name=f"n{i}") for i, node in enumerate(blueprint.nodes)))
    assert renamed.shape_key == blueprint.shape_key
    padded = Blueprint(
        tuple(replace(node, pad=1 - node.pad) if node.input_bits == 1 else node for node in blueprint.nodes)
    )
    assert padded.shape_key != blueprint.shape_key
