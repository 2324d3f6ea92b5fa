"""The supernet: bit equality of extracted networks, gradients, calibration, files."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from evo_bnas.binary.execute import BatchStatistics, Mode
from evo_bnas.binary.network import Network, load_network, save_network
from evo_bnas.binary.weights import Weights
from evo_bnas.errors import UsageError
from evo_bnas.files import weights_file
from evo_bnas.space.catalogue import build
from evo_bnas.space.genes import Architecture
from evo_bnas.supernet.calibration import calibrate
from evo_bnas.supernet.supernet import Supernet, load_supernet, save_supernet
from tests.support.strategies import SPACES, architectures
from tests.support.supernets import (
    assert_extracted_equals,
    calibrated_statistics,
    images_for,
    random_supernet,
)

# All kinds of slices: kernels, groups of both layers, depths, widths; padded with +1.
EVERYTHING = build(
    "everything",
    {
        "family": "chain",
        "block": "react",
        "image": [2, 7, 5],
        "classes": 3,
        "pad": 1,
        "stem": {"channels": [4, 8], "kernel": [1, 3, 5]},
        "stages": [
            {
                "channels": [8, 12],
                "blocks": [1, 2],
                "stride": 1,
                "each": {"kernel": [1, 3, 5], "groups": [1, 2, 4], "pointwise_groups": [1, 2, 4]},
            },
            {"channels": [12, 20], "blocks": [1, 3], "stride": 2, "kernel": [1, 3, 5], "groups": [1, 2]},
        ],
    },
    "test",
)
# All kinds of slices with a QuickNet stem: operations, transitions, depthwise weights.
QUICK = build(
    "quick",
    {
        "family": "chain",
        "block": "choice",
        "image": [2, 9, 7],
        "classes": 3,
        "pad": 1,
        "transition": {"kernel": 3, "weights": "real"},
        "stem": {"kind": "quick", "stride": 4, "kernel": [3, 5]},
        "stages": [
            {"channels": [8, 12], "blocks": 2, "each": {"operation": ["b3", "d5", "b5g4", "max3", "skip"]}},
            {"channels": [12, 16], "blocks": 1, "stride": 2, "each": {"operation": ["b5", "b3g4", "avg3"]}},
        ],
    },
    "test",
)
SMALL = [space for space in SPACES.values() if space.image[1:] == (8, 8)]
SLICED = {space.name: space for space in (*SMALL, EVERYTHING, QUICK)}


SUPERNETS = {name: random_supernet(space) for name, space in SLICED.items()}


@pytest.mark.parametrize("weights", get_args(Weights))
@pytest.mark.parametrize("name", SLICED)
@given(data=st.data())
@settings(max_examples=12)
def test_an_extracted_network_equals_the_supernet_bit_for_bit(
    name: str, weights: Weights, data: st.DataObject
) -> None:
    supernet = SUPERNETS[name]
    assert_extracted_equals(supernet, data.draw(architectures(supernet.space)), Mode(weights))


@given(st.data())
@settings(max_examples=10)
def test_the_gradients_of_supernet_and_extracted_network_are_equal(data: st.DataObject) -> None:
    supernet = SUPERNETS["everything"]
    architecture = data.draw(architectures(supernet.space))
    network = supernet.extract(architecture, calibrated_statistics(supernet, architecture)).train()
    x = images_for(supernet.space)
    supernet.zero_grad()
    supernet(x, architecture).square().sum().backward()
    network(x).square().sum().backward()
    # Put the gradients of the supernet into weights, and extract their slices.
    gradients = Supernet(supernet.space)
    with torch.no_grad():
        for target, source in zip(gradients.parameters(), supernet.parameters(), strict=True):
            target.copy_(torch.zeros_like(target) if source.grad is None else source.grad)
    cut = gradients.extract(architecture, network.statistics)
    for (address, parameter), slice_ in zip(network.named_parameters(), cut.parameters(), strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, slice_), address


def gradient_counts(supernet: Supernet, architecture: Architecture) -> tuple[dict[str, int], set[str]]:
    """The number of nonzero gradient entries per parameter, and the parameters without a gradient."""
    supernet.zero_grad(set_to_none=True)
    supernet(images_for(supernet.space), architecture).square().sum().backward()
    named = dict(supernet.named_parameters())
    result = {name: int(p.grad.count_nonzero()) for name, p in named.items() if p.grad is not None}
    return result, named.keys() - result.keys()


@given(st.data())
@settings(max_examples=20)
def test_only_the_slice_gets_gradients(data: st.DataObject) -> None:
    supernet = SUPERNETS["everything"]
    architecture = data.draw(architectures(supernet.space))
    blueprint = supernet.space.draw(architecture)
    sizes = {name: parameter.numel() for name, parameter in Network(blueprint).named_parameters()}
    result, unused = gradient_counts(supernet, architecture)
    assert result.keys() == sizes.keys()
    assert all(result[name] <= size for name, size in sizes.items())
    assert unused == dict(supernet.named_parameters()).keys() - sizes.keys()


def test_the_smallest_network_gives_gradients_to_its_slices_alone() -> None:
    supernet = SUPERNETS["elastic-8"]
    space = supernet.space
    result, unused = gradient_counts(supernet, space.smallest())
    assert all(".b2." in name for name in unused)
    assert unused
    # s3.b1 uses 3 x 3 of 5 x 5, one of four blocks, 32 of its rows and 32 of its inputs.
    gradient = supernet.get_parameter("s3.b1.spatial.weight").grad
    assert gradient is not None
    rows, columns, top, left = gradient.nonzero(as_tuple=True)
    assert set(top.tolist()) | set(left.tolist()) <= {1, 2, 3}
    assert rows.max() < 32
    assert columns.max() < 32
    assert torch.equal(columns // 8, rows % 4)
    assert result["s3.b1.spatial.weight"] == len(rows)
    supernet.zero_grad(set_to_none=True)


def test_calibration_returns_statistics_and_changes_no_state() -> None:
    supernet = random_supernet(SPACES["elastic-8"])
    small, large = supernet.space.smallest(), supernet.space.largest()
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    first = calibrated_statistics(supernet, small)
    calibrated_statistics(supernet, large, seed=1)
    with torch.no_grad():
        supernet(images_for(supernet.space, seed=2), large, first | calibrated_statistics(supernet, large))
    again = calibrated_statistics(supernet, small)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(torch.equal(before[name], value) for name, value in supernet.state_dict().items())
    assert all(not value.requires_grad and value.dtype == torch.float32 for value in first.values())


def test_calibration_is_the_mean_over_full_batches() -> None:
    supernet = random_supernet(EVERYTHING)
    architecture = EVERYTHING.largest()
    network = supernet.extract(architecture, calibrated_statistics(supernet, architecture))
    x = images_for(EVERYTHING, 3 * 4 + 3)
    result = calibrate(network.run, x, 4)

    stem = torch.nn.functional.conv2d(x, network.get_parameter("stem.weight"), padding=2).detach()
    batches = stem[: 3 * 4].split(4)
    mean = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    var = torch.stack([batch.var((0, 2, 3), correction=0) for batch in batches]).mean(0)
    torch.testing.assert_close(result["stem.norm.mean"], mean)
    torch.testing.assert_close(result["stem.norm.var"], var)

    every = []
    for batch in x[:12].split(4):
        moments: dict[str, Tensor] = {}
        network.run(batch, BatchStatistics(moments))
        every.append(moments)
    for name, value in result.items():
        torch.testing.assert_close(value, torch.stack([moments[name] for moments in every]).mean(0))

    # Images beyond the last full batch are ignored; fewer images than a batch make one batch.
    x[12:] = 1e6
    leftover = calibrate(network.run, x, 4)
    assert all(torch.equal(result[name], leftover[name]) for name in result)
    few = calibrate(network.run, x[:3], 4)
    alone = calibrate(network.run, x[:3], 3)
    assert all(torch.equal(few[name], alone[name]) for name in few)


def test_saving_and_loading_keeps_a_supernet(tmp_path: Path) -> None:
    path = tmp_path / "supernet.safetensors"
    supernet = SUPERNETS["everything"]
    save_supernet(supernet, path)
    loaded = load_supernet(EVERYTHING, path)
    saved = supernet.state_dict()
    assert loaded.state_dict().keys() == saved.keys()
    assert all(torch.equal(saved[name], value) for name, value in loaded.state_dict().items())
    save_supernet(loaded, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_saving_and_loading_keeps_a_network(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    supernet = SUPERNETS["everything"]
    architecture = EVERYTHING.sample(np.random.default_rng(0))
    network = supernet.extract(architecture, calibrated_statistics(supernet, architecture)).eval()
    save_network(network, path, {"key": architecture.key})
    loaded = load_network(path)
    assert loaded.blueprint == network.blueprint
    assert not loaded.training
    x = images_for(EVERYTHING, seed=3)
    with torch.no_grad():
        assert torch.equal(loaded(x), network(x))


def rewritten(
    path: Path,
    state: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict,
    header: Callable[[dict[str, str]], dict[str, str]] = dict,
) -> None:
    """Change the tensors or the header of a file that is named after its kind."""
    tensors, entries = weights_file.read(path, path.stem)
    weights_file.write(path, path.stem, state(tensors), header(entries))


def refusal(load: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as refused:
        load()
    text = str(refused.value)
    assert 1 <= len(text.splitlines()) <= 2
    return text


@pytest.fixture
def supernet_file(tmp_path: Path) -> Path:
    path = tmp_path / "supernet.safetensors"
    save_supernet(SUPERNETS["everything"], path)
    return path


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    supernet, smallest = SUPERNETS["everything"], EVERYTHING.smallest()
    save_network(supernet.extract(smallest, calibrated_statistics(supernet, smallest)), path, {})
    return path


def test_a_supernet_of_another_space_is_refused(supernet_file: Path) -> None:
    text = refusal(lambda: load_supernet(SPACES["elastic-8"], supernet_file))
    assert str(supernet_file) in text
    assert EVERYTHING.hash in text
    assert SPACES["elastic-8"].hash in text


def test_a_file_of_another_kind_is_refused(supernet_file: Path, network_file: Path) -> None:
    text = refusal(lambda: load_supernet(EVERYTHING, network_file))
    assert "network 1" in text
    assert "supernet 1" in text
    text = refusal(lambda: load_network(supernet_file))
    assert "network 1" in text
    assert "supernet 1" in text
    save_file({"x": torch.zeros(1)}, network_file)
    assert str(network_file) in refusal(lambda: load_network(network_file))


@pytest.mark.parametrize("bytes_left", [0, 5, 100, -4])
def test_a_damaged_file_is_refused(supernet_file: Path, bytes_left: int) -> None:
    supernet_file.write_bytes(supernet_file.read_bytes()[:bytes_left])
    assert str(supernet_file) in refusal(lambda: load_supernet(EVERYTHING, supernet_file))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        assert str(path) in refusal(lambda path=path: load_network(path))  # type: ignore[misc]


def test_a_tensor_that_is_missing_or_of_another_shape_is_named(supernet_file: Path) -> None:
    name = "s1.b1.spatial.weight"
    rewritten(supernet_file, lambda state: state | {name: state[name][:3].contiguous()})
    text = refusal(lambda: load_supernet(EVERYTHING, supernet_file))
    assert all(part in text for part in (name, "(3, 8, 5, 5)", "(8, 8, 5, 5)"))
    rewritten(supernet_file, lambda state: {n: v for n, v in state.items() if n != name})
    assert name in refusal(lambda: load_supernet(EVERYTHING, supernet_file))
    rewritten(supernet_file, lambda state: state | {name: torch.zeros(8, 8, 5, 5), "more": torch.zeros(1)})
    text = refusal(lambda: load_supernet(EVERYTHING, supernet_file))
    assert all(part in text for part in ("more", "(1,)"))


@pytest.mark.parametrize(
    "blueprint",
    [
        "",
        "{",
        "1",
        "null",
        "[]",
        "[1]",
        "{}",
        '[{"name": "x"}]',
        '[{"name": "x", "op": "image", "shape": 3}]',
    ],
)
def test_a_damaged_blueprint_is_refused(network_file: Path, blueprint: str) -> None:
    rewritten(network_file, header=lambda header: header | {"blueprint": blueprint})
    assert "its blueprint is damaged" in refusal(lambda: load_network(network_file))


def test_a_network_without_a_blueprint_or_a_tensor_is_refused(network_file: Path) -> None:
    rewritten(network_file, lambda state: {n: v for n, v in state.items() if n != "stem.norm.var"})
    assert "stem.norm.var" in refusal(lambda: load_network(network_file))
    rewritten(network_file, header=lambda _: {})
    assert "its blueprint is damaged" in refusal(lambda: load_network(network_file))
