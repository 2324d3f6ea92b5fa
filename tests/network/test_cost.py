"""Counts against published networks, and laws that hold for every architecture."""

import pytest
from hypothesis import given

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import cost
from evo_bnas.network.node import Node
from evo_bnas.network.objectives import EXACT, OBJECTIVES, exact_objectives
from evo_bnas.space.genes import Architecture, Space
from tests.support.strategies import SPACES, drawn


def binary_resnet(stem: list[Node], widths: list[int], layers: int, classes: int, *, real: bool) -> Blueprint:
    """A ResNet with a shortcut around every binary 3 x 3 layer, as in Bi-Real Net.

    `layers` is the number of binary layers of each width; `real` says whether a widening shortcut is a
    pool and a real 1 x 1 convolution, else it is a pool and a repetition.
    """
    nodes = list(stem)

    def append(node: Node) -> int:
        nodes.append(node)
        return len(nodes) - 1

    for width in widths:
        for layer in range(layers):
            source = shortcut = len(nodes) - 1
            cin, height, side = nodes[source].shape
            stride = 2 if width > cin else 1
            shape = (width, height // stride, side // stride)
            name = f"w{width}.{layer}"
            if stride == 2:
                pool = Node(f"{name}.pool", "pool_avg", (source,), (cin, *shape[1:]), kernel=2, stride=2)
                shortcut = append(pool)
                widen = Node(f"{name}.down", "conv", (shortcut,), shape, cin=cin, after=("norm",))
                shortcut = append(widen if real else Node(f"{name}.tile", "tile", (shortcut,), shape))
            append(
                Node(
                    name,
                    "conv",
                    (source, shortcut),
                    shape,
                    cin=cin,
                    kernel=3,
                    stride=stride,
                    weight_bits=1,
                    input_bits=1,
                    after=("norm", "add"),
                )
            )
    mean = append(Node("mean", "mean", (len(nodes) - 1,), (widths[-1], 1, 1)))
    append(Node("classifier", "dense", (mean,), (classes, 1, 1), cin=widths[-1]))
    return Blueprint(tuple(nodes))


def test_reactnet_a() -> None:
    space = SPACES["group-mobile-224"]
    found = space.cost(space.largest())
    assert found.ops == 87_126_016
    assert found.binary_params == 28_253_184  # 28.25 Mbit
    assert found.real_params == 1_090_408  # of which 1,025,000 in the classifier
    assert found.size_bits == 28_253_184 + 32 * 1_090_408


def test_bireal_18() -> None:
    stem = [
        Node("image", "image", (), (3, 224, 224)),
        Node("stem", "conv", (0,), (64, 112, 112), cin=3, kernel=7, stride=2, after=("norm",)),
        Node("pool", "pool_max", (1,), (64, 56, 56), kernel=3, stride=2),
    ]
    assert cost(binary_resnet(stem, [64, 128, 256, 512], 4, 1000, real=True)).ops == 163_985_408


def test_resnet_20_for_cifar() -> None:
    stem = [
        Node("image", "image", (), (3, 32, 32)),
        Node("stem", "conv", (0,), (16, 32, 32), cin=3, kernel=3, after=("norm",)),
    ]
    assert cost(binary_resnet(stem, [16, 32, 64], 6, 10, real=False)).bops == 40_108_032


def test_the_ends_of_nas_bnn_in_its_own_profile() -> None:
    space = SPACES["elastic-mobile-224"]
    ends = [cost(space.draw(end), "nas-bnn") for end in (space.smallest(), space.largest())]
    assert [end.ops for end in ends] == [20_772_760, 331_814_248]


def test_the_profile_of_nas_bnn_counts_an_8_bit_stem() -> None:
    space = SPACES["elastic-8"]
    blueprint = space.draw(space.smallest())
    default, theirs = cost(blueprint), cost(blueprint, "nas-bnn")
    stem_weights, stem_macs = 8 * 9, 8 * 9 * 64
    assert theirs.size_bits == default.size_bits - (32 - 8) * stem_weights
    assert theirs.flops == default.flops - stem_macs * 7 // 8 + blueprint.classes
    assert theirs.bops == default.bops
    assert theirs.params == default.params


def test_unknown_profile() -> None:
    space = SPACES["elastic-8"]
    with pytest.raises(ValueError, match="unknown profile 'mine'; choose from default, nas-bnn"):
        cost(space.draw(space.smallest()), "mine")


IMAGE = Node("image", "image", (), (1, 4, 4))
STEM = Node("stem", "conv", (0,), (2, 4, 4), cin=1, kernel=3, after=("norm",))


def ends(source: int) -> tuple[Node, ...]:
    return (
        Node("mean", "mean", (source,), (2, 1, 1)),
        Node("classifier", "dense", (source + 1,), (3, 1, 1), cin=2),
    )


def test_memory_of_a_shortcut_that_is_the_input() -> None:
    layer = Node(
        "b", "conv", (1, 1), (2, 4, 4), cin=2, kernel=3, weight_bits=1, input_bits=1, after=("norm", "add")
    )
    rows = cost(Blueprint((IMAGE, STEM, layer, *ends(2)))).layers
    # Image; image and stem; stem, its 32 signs, output; output and mean; mean and classes.
    assert [row.activation_bytes for row in rows] == [64, 64 + 128, 128 + 4 + 128, 128 + 8, 8 + 12]


def test_memory_of_an_input_that_is_freed_once_packed() -> None:
    pool = Node("pool", "pool_avg", (1,), (2, 2, 2), kernel=2, stride=2)
    layer = Node(
        "b",
        "conv",
        (1, 2),
        (2, 2, 2),
        cin=2,
        kernel=3,
        stride=2,
        weight_bits=1,
        input_bits=1,
        after=("norm", "add"),
    )
    found = cost(Blueprint((IMAGE, STEM, pool, layer, *ends(3))))
    # Stem and pool stay; then the pool, the 32 signs of the stem, and the output.
    assert [row.activation_bytes for row in found.layers][2:4] == [128 + 32, 32 + 4 + 32]
    assert found.peak_activation_bytes == 64 + 128


def test_the_table_adds_up() -> None:
    space = SPACES["elastic-8"]
    found = space.cost(space.largest())
    assert sum(row.ops for row in found.layers) == found.ops
    assert found.ops == found.flops + found.bops / 64
    assert found.params == found.binary_params + found.real_params
    assert [row.name for row in found.layers][:2] == ["image", "stem"]


def test_every_exact_objective_is_counted() -> None:
    space = SPACES["elastic-8"]
    values = exact_objectives(space.cost(space.smallest()))
    assert tuple(values) == EXACT
    assert set(OBJECTIVES) - set(EXACT) == {"error", "latency_ms"}


@given(drawn())
def test_every_cost_is_within_the_bounds(pair: tuple[Space, Architecture]) -> None:
    space, architecture = pair
    for objective, value in exact_objectives(space.cost(architecture)).items():
        low, high = space.bounds(objective)
        assert low <= value <= high, objective
