"""Costs: published networks, and properties of every architecture."""

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

    `layers` is the number of binary layers per width. A shortcut that widens is a pool and a real 1 x 1
    convolution if `real`, otherwise a pool and a tile.
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


def test_reactnet_a_has_87_126_016_ops() -> None:
    space = SPACES["group-mobile-224"]
    counted = space.cost(space.largest())
    assert counted.ops == 87_126_016
    assert counted.binary_params == 28_253_184  # 28.25 Mbit
    assert counted.real_params == 1_090_408  # of which 1,025,000 in the classifier
    assert counted.size_bits == 28_253_184 + 32 * 1_090_408


def test_bireal_18_has_163_985_408_ops() -> None:
    stem = [
        Node("image", "image", (), (3, 224, 224)),
        Node("stem", "conv", (0,), (64, 112, 112), cin=3, kernel=7, stride=2, after=("norm",)),
        Node("pool", "pool_max", (1,), (64, 56, 56), kernel=3, stride=2),
    ]
    assert cost(binary_resnet(stem, [64, 128, 256, 512], 4, 1000, real=True)).ops == 163_985_408


def test_resnet_20_for_cifar_has_40_108_032_bops() -> None:
    stem = [
        Node("image", "image", (), (3, 32, 32)),
        Node("stem", "conv", (0,), (16, 32, 32), cin=3, kernel=3, after=("norm",)),
    ]
    assert cost(binary_resnet(stem, [16, 32, 64], 6, 10, real=False)).bops == 40_108_032


def test_the_ends_of_nas_bnn_have_the_published_ops_in_its_profile() -> None:
    space = SPACES["elastic-mobile-224"]
    ends = [cost(space.draw(end), "nas-bnn") for end in (space.smallest(), space.largest())]
    assert [end.ops for end in ends] == [20_772_760, 331_814_248]


def test_the_nas_bnn_profile_counts_an_8_bit_stem() -> None:
    space = SPACES["elastic-8"]
    blueprint = space.draw(space.smallest())
    default, nas_bnn = cost(blueprint), cost(blueprint, "nas-bnn")
    stem_weights, stem_macs = 8 * 9, 8 * 9 * 64
    assert nas_bnn.size_bits == default.size_bits - (32 - 8) * stem_weights
    assert nas_bnn.flops == default.flops - stem_macs * 7 // 8 + blueprint.classes
    assert nas_bnn.bops == default.bops
    assert nas_bnn.params == default.params


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    space = SPACES["elastic-8"]
    with pytest.raises(ValueError, match=r"'mine'.*choose from default, nas-bnn"):
        cost(space.draw(space.smallest()), "mine")


IMAGE = Node("image", "image", (), (1, 4, 4))
STEM = Node("stem", "conv", (0,), (2, 4, 4), cin=1, kernel=3, after=("norm",))


def ends(source: int) -> tuple[Node, ...]:
    return (
        Node("mean", "mean", (source,), (2, 1, 1)),
        Node("classifier", "dense", (source + 1,), (3, 1, 1), cin=2),
    )


def test_memory_if_the_shortcut_is_the_input() -> None:
    layer = Node(
        "b", "conv", (1, 1), (2, 4, 4), cin=2, kernel=3, weight_bits=1, input_bits=1, after=("norm", "add")
    )
    rows = cost(Blueprint((IMAGE, STEM, layer, *ends(2)))).layers
    # Image; image and stem; stem, its 32 signs and the output; output and mean; mean and classes.
    assert [row.activation_bytes for row in rows] == [64, 64 + 128, 128 + 4 + 128, 128 + 8, 8 + 12]


def test_memory_if_the_input_is_freed_after_packing() -> None:
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
    counted = cost(Blueprint((IMAGE, STEM, pool, layer, *ends(3))))
    # First the stem and the pool; then the pool, the 32 signs of the stem and the output.
    assert [row.activation_bytes for row in counted.layers][2:4] == [128 + 32, 32 + 4 + 32]
    assert counted.peak_activation_bytes == 64 + 128


def test_totals_are_the_sums_of_the_layers() -> None:
    space = SPACES["elastic-8"]
    counted = space.cost(space.largest())
    assert sum(row.ops for row in counted.layers) == counted.ops
    assert counted.ops == counted.flops + counted.bops / 64
    assert counted.params == counted.binary_params + counted.real_params
    assert [row.name for row in counted.layers][:2] == ["image", "stem"]


def test_all_objectives_but_error_and_latency_are_exact() -> None:
    space = SPACES["elastic-8"]
    values = exact_objectives(space.cost(space.smallest()))
    assert tuple(values) == EXACT
    assert set(OBJECTIVES) - set(EXACT) == {"error", "latency_ms"}


@given(drawn())
def test_every_cost_is_within_the_bounds_of_its_space(pair: tuple[Space, Architecture]) -> None:
    space, architecture = pair
    for objective, value in exact_objectives(space.cost(architecture)).items():
        low, high = space.bounds(objective)
        assert low <= value <= high, objective
