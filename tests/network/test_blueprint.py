"""The drawing: what is refused, and what survives a trip through JSON."""

import json
from dataclasses import replace

import pytest
from hypothesis import given

from evo_bnas.network.blueprint import Blueprint, Node, norms, tensors
from evo_bnas.space.genes import Architecture, Space
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


def test_a_blueprint_knows_its_ends() -> None:
    blueprint = Blueprint(NODES)
    assert blueprint.image == (3, 8, 8)
    assert blueprint.classes == 10
    assert blueprint.last_use == (1, 2, 3, 4, 4)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((IMAGE,), "an image and at least one more"),
        (NODES[1:], "stem: the image is the first node"),
        ((IMAGE, replace(IMAGE, name="other")), "other: the image is the first node"),
        ((replace(IMAGE, inputs=(0,)), *NODES[1:]), "image: an image has no inputs"),
        (changed(1, op="convolution"), "stem: unknown operation 'convolution'"),
        (changed(1, inputs=()), "stem: needs an input"),
        (changed(1, inputs=(3,)), "stem: reads a node that comes later"),
        (changed(1, shape=(0, 8, 8)), "stem: has an empty shape"),
        (changed(1, before=("norm", "shift")), "stem: `before` is"),
        (changed(1, before=("prelu",)), "stem: `before` is"),
        (changed(1, after=("norm", "scale")), "stem: `after` .* does not read"),
        (changed(2, after=("add", "norm")), "binary: `after` .* does not read"),
        (changed(1, weight_bits=2), "stem: weights of 2 bits"),
        (changed(1, input_bits=8), "stem: inputs of 8 bits"),
        (changed(3, input_bits=1), "mean: only a conv or a dense takes a sign"),
        (changed(2, pad=-1), "binary: pads with -1"),
        (changed(1, cin=4), "stem: cin 4, but its input has 3"),
        (changed(2, inputs=(1,)), "binary: reads one input, and one to add"),
        (changed(1, inputs=(0, 0)), "stem: reads one input, and one to add"),
        (changed(2, inputs=(1, 0)), r"binary: adds \(3, 8, 8\) to \(4, 8, 8\)"),
        (changed(2, stride=2), "binary: .* is not ceil"),
        (changed(1, kernel=4), "stem: kernel 4 is not odd"),
        (changed(2, groups=3), "binary: 3 groups do not divide"),
        (changed(3, shape=(5, 1, 1)), "mean: a mean keeps channels"),
        (changed(3, before=("shift",)), "mean: only a conv or a dense has steps before"),
        (changed(3, after=("add",)), "mean: only a conv or a dense adds"),
        (changed(4, inputs=(2,)), "classifier: a dense layer reads a 1x1 map"),
        (changed(2, name="stem"), "two nodes are named stem"),
        (changed(3, inputs=(1,)), "binary: no later node reads it"),
    ],
)
def test_what_does_not_fit_is_refused(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Blueprint(nodes)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("x", "pool_max", (1,), (5, 4, 4), kernel=2, stride=2), "a pool keeps its channels"),
        (Node("x", "pool_avg", (1, 0), (4, 8, 8)), "reads one input"),
        (Node("x", "pool_avg", (1,), (4, 8, 8), kernel=2), "an even window of 2 must tile"),
        (Node("x", "tile", (1,), (8, 4, 4)), "a tile keeps its map"),
        (Node("x", "concat", (0, 1), (8, 8, 8)), "channels are not the sum"),
        (Node("x", "sum", (0, 1), (4, 8, 8)), "inputs of different shapes"),
    ],
)
def test_joins_and_pools_are_checked(node: Node, message: str) -> None:
    with pytest.raises(ValueError, match=message):
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


def test_steps_that_come_twice_have_two_addresses() -> None:
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


def test_rows_that_are_no_blueprint_are_refused() -> None:
    rows = Blueprint(NODES).to_rows()
    with pytest.raises(TypeError):
        Blueprint.from_rows([*rows[:1], rows[1] | {"colour": 1}, *rows[2:]])
    with pytest.raises(ValueError, match="cin 9"):
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
