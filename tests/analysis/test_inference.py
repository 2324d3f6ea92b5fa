"""PyTorch's fastest way to run a network computes what the network computes."""

import pytest
import torch

from analysis.shared.inference import calibrated, folded
from evo_bnas.packed.stem import trunk
from evo_bnas.space.genes import Space
from tests.support.strategies import SPACES

SMALL = [space for name, space in SPACES.items() if name.endswith("-8")]


@pytest.mark.parametrize("space", SMALL, ids=lambda space: space.name)
def test_a_folded_network_computes_the_same(space: Space) -> None:
    x = torch.randn(8, *space.image, generator=torch.Generator().manual_seed(0))
    network = calibrated(space.draw(space.smallest()), x)
    torch.testing.assert_close(folded(network, torch.float32)(x), network(x).detach())


@pytest.mark.parametrize("space", SMALL, ids=lambda space: space.name)
def test_a_trunk_has_no_stem(space: Space) -> None:
    part = trunk(space.draw(space.smallest()))
    assert part.nodes[1:]
    assert not any(node.name == "stem" for node in part.nodes)
