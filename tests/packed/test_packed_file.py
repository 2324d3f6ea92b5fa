"""The packed file: its content, what is refused, and running it without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from safetensors.numpy import load_file, save

from evo_bnas import load_packed
from evo_bnas.binary.network import load_network
from evo_bnas.data.dataset import load
from evo_bnas.errors import UsageError
from evo_bnas.export import retrained, targets
from evo_bnas.network import card
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import cost
from evo_bnas.packed.compile import compile_network, forms_of_network
from evo_bnas.packed.file import PackedNetwork, save_packed, stored_bytes
from evo_bnas.packed.form import entries
from evo_bnas.run.folder import Run
from evo_bnas.space.genes import Architecture, Space
from tests.support import digits
from tests.support.blueprints import AFTERS, blueprint_of, conv_node
from tests.support.commands import evo_bnas
from tests.support.networks import random_network, random_packed_network
from tests.support.retrained import KEY, retrained_run
from tests.support.strategies import SPACES, drawn


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return retrained_run(tmp_path_factory.mktemp("packed") / "run")


@pytest.fixture(scope="module")
def packed_file(run: Run) -> Path:
    _, written = targets.export(run, None, "packed")
    return written.files[0]


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network, to be damaged."""
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    save_packed(random_packed_network(SPACES["tiny-8"].draw(SPACES["tiny-8"].smallest())), path)
    return path


def same(one: PackedNetwork, other: PackedNetwork) -> bool:
    return one.header == other.header and all(
        np.array_equal(array, other.forms[node][name], equal_nan=True)
        for node, form in one.forms.items()
        for name, array in form.items()
    )


def test_a_retrained_network_has_its_test_error_and_classifies_like_torch(
    run: Run, packed_file: Path
) -> None:
    network = load_packed(packed_file)
    raw = digits.decoded()
    test = digits.splits().test
    result = network.predict(raw.pixels[test])
    assert (result != raw.labels[test]).mean() == pytest.approx(network.header.test_error)
    torch_network = load_network(run.pick_folder(KEY) / card.WEIGHTS)
    images = load(digits.DIGITS, seed=0).test
    assert np.array_equal(network.normalised(raw.pixels[test]), images[:].numpy())
    with torch.no_grad():
        assert np.array_equal(result, torch_network(images[:]).argmax(1).numpy())


def test_loading_inverts_saving_and_equal_networks_give_equal_bytes(
    run: Run, packed_file: Path, tmp_path: Path
) -> None:
    loaded = load_packed(packed_file)
    assert same(loaded, retrained.load(run, KEY))
    save_packed(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == packed_file.read_bytes()


def test_a_packed_file_predicts_without_torch(packed_file: Path) -> None:
    check = (
        "import sys; sys.modules['torch'] = None; import numpy as np; import evo_bnas;"
        f"network = evo_bnas.load_packed({str(packed_file)!r});"
        "pixels = np.arange(128, dtype=np.uint8).reshape(2, 1, 8, 8) % 17;"
        "print(network.predict(pixels).tolist(), network.predict(pixels.astype(float)).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pixels = np.arange(128, dtype=np.uint8).reshape(2, 1, 8, 8) % 17
    expected = load_packed(packed_file).predict(pixels).tolist()
    assert done.stdout.split() == f"{expected} {expected}".split()


def test_importing_evo_bnas_imports_no_heavy_package() -> None:
    check = "import sys, evo_bnas; print(sorted({'numpy', 'torch', 'numba', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(drawn())
def test_the_tensors_take_the_counted_size_and_less_than_a_byte_more_each(
    result: tuple[Space, Architecture],
) -> None:
    space, architecture = result
    nodes = space.draw(architecture).nodes
    stored = [entry for node in nodes for entry in entries(node)]
    bits = sum(8 * stored_bytes(entry) for entry in stored)
    counted = cost(Blueprint(nodes)).size_bits
    folded = 31 * sum(node.cin for node in nodes if "norm" in node.before and node.input_bits == 1)
    assert counted - folded <= bits < counted - folded + 8 * len(stored)


def test_the_payload_is_the_size_of_the_tensors(packed_file: Path) -> None:
    stored = load_file(packed_file)
    assert sum(array.nbytes for array in stored.values()) == load_packed(packed_file).payload


@pytest.mark.parametrize("before", [(), ("norm",), ("shift",)])
@pytest.mark.parametrize("bits", [(1, 1), (32, 32), (1, 32), (32, 1)])
def test_saving_and_loading_keeps_every_order_of_steps(
    before: tuple[str, ...], bits: tuple[int, int], tmp_path: Path
) -> None:
    for number, after in enumerate(AFTERS[::7]):
        inputs = (0, 0) if "add" in after else (0,)
        node = conv_node(
            inputs=inputs,
            shape=(4, 7, 5),
            before=before,
            after=after,
            weight_bits=bits[0],
            input_bits=bits[1],
        )
        mean = {"op": "mean", "inputs": (1,), "shape": (4, 1, 1)}
        blueprint = blueprint_of(
            node, conv_node(name="mean", cin=0, kernel=1, weight_bits=32, input_bits=32, **mean)
        )
        network, _ = random_network(blueprint, seed=number)
        packed = random_packed_network(blueprint)
        kept = PackedNetwork(packed.header, forms_of_network(network))
        save_packed(kept, tmp_path / "file")
        pixels = np.random.default_rng(number).integers(0, 17, (3, *blueprint.image), dtype=np.uint8)
        expected = compile_network(network).run(kept.normalised(pixels))
        assert np.array_equal(load_packed(tmp_path / "file").logits(pixels), expected)
        assert same(load_packed(tmp_path / "file"), kept)


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(small_file: Path, place: float, mask: int) -> None:
    content = bytearray(small_file.read_bytes())
    content[int(place * len(content))] ^= mask
    damaged = small_file.with_name("damaged")
    damaged.write_bytes(content)
    try:
        result = load_packed(damaged)
    except UsageError as refusal:
        assert str(damaged) in str(refusal)  # noqa: PT017
    else:
        assert same(result, load_packed(small_file))  # white space of the metadata


@given(share=st.floats(0, 1, exclude_max=True), tail=st.binary(max_size=40))
def test_a_truncated_file_is_refused(small_file: Path, share: float, tail: bytes) -> None:
    content = small_file.read_bytes()
    kept = content[: int(share * len(content))] + tail
    damaged = small_file.with_name("cut")
    damaged.write_bytes(kept)
    if kept != content[: len(kept)] or len(kept) < len(content):
        with pytest.raises(UsageError, match="cut"):
            load_packed(damaged)


def test_files_of_another_kind_are_refused_with_their_kind(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"network 1.*packed 1"):
        load_packed(run.pick_folder(KEY) / card.WEIGHTS)
    (tmp_path / "foreign").write_bytes(save({"x": np.zeros(3, np.float32)}))
    with pytest.raises(UsageError, match="foreign"):
        load_packed(tmp_path / "foreign")
    with pytest.raises(UsageError, match="absent"):
        load_packed(tmp_path / "absent")


def rewritten(path: Path, **changes: object) -> Path:
    """The file with other values in its header."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + size])
    head["__metadata__"]["evo-bnas"] = json.dumps(json.loads(head["__metadata__"]["evo-bnas"]) | changes)
    text = json.dumps(head).encode()
    changed = path.with_name("rewritten")
    changed.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    return changed


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"classes": ["0", "1"]}, "2 classes"),
        ({"mean": [1.0, 2.0]}, "2 means and 1 "),
        ({"std": [0.0]}, "greater than 0"),
        ({"white": 0}, "greater than 0"),
        ({"test_error": "low"}, "number"),
        ({"more": 1}, "not permitted"),
        ({"blueprint": []}, "needs an image"),
        ({"digest": "0"}, "is damaged"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_with_the_reason(
    small_file: Path, changes: dict[str, object], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        load_packed(rewritten(small_file, **changes))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kernel", 5),
        ("kernel", 3.0),
        ("stride", 0),
        ("groups", -1),
        ("dilation", 0),
        ("unknown", 1),
        ("cin", True),
    ],
)
def test_a_blueprint_that_does_not_fit_is_refused(small_file: Path, field: str, value: object) -> None:
    rows = load_packed(small_file).blueprint.to_rows()
    rows[2][field] = value
    with pytest.raises(UsageError, match="rewritten"):
        load_packed(rewritten(small_file, blueprint=rows))


def test_images_of_another_shape_are_refused(small_file: Path) -> None:
    network = load_packed(small_file)
    with pytest.raises(UsageError, match=r"\(n, 1, 8, 8\)"):
        network.predict(np.zeros((8, 8), np.uint8))


def image_files(folder: Path, count: int) -> list[Path]:
    """The first test images as PNG files: in turn grey, RGB, and padded on both sides."""
    raw = digits.decoded()
    test = digits.splits().test[:count]
    paths = []
    for number, pixels in enumerate(raw.pixels[test]):
        image = Image.fromarray(np.round(pixels[0] * (255 / 16)).astype(np.uint8))
        if number % 3 == 1:
            image = image.convert("RGB")
        if number % 3 == 2:
            image = ImageOps.pad(image, (16, 8), color=255)
        paths.append(folder / f"digit{number}.png")
        image.save(paths[-1])
    return paths


def test_image_files_are_classified_like_their_pixels(packed_file: Path, tmp_path: Path) -> None:
    paths = image_files(tmp_path, 20)
    rows = json.loads(evo_bnas("predict", packed_file, *paths, "--format", "json").stdout)
    assert [row["file"] for row in rows] == list(map(str, paths))
    raw = digits.decoded()
    expected = load_packed(packed_file).predict(raw.pixels[digits.splits().test[:20]])
    assert [row["class"] for row in rows] == list(map(str, expected))
    assert all(0.1 < row["probability"] <= 1 for row in rows)
    table = evo_bnas("predict", packed_file, paths[0]).stdout
    assert table.split()[:3] == ["file", "class", "probability"]
    assert rows[0]["class"] in table
    lines = evo_bnas("predict", packed_file, *paths[:2], "--format", "csv").stdout.splitlines()
    assert lines[0] == "file,class,probability"
    assert len(lines) == 3


def test_a_file_that_is_not_an_image_is_named(packed_file: Path, tmp_path: Path) -> None:
    (good,) = image_files(tmp_path, 1)
    (tmp_path / "text.png").write_text("no image")
    deep = tmp_path / "deep.png"
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(deep)
    for bad, reason in (
        (tmp_path / "text.png", ""),
        (tmp_path / "no.png", ""),
        (deep, "8 bits"),
    ):
        done = evo_bnas("predict", packed_file, good, bad)
        assert done.returncode == 2
        assert str(bad) in done.stderr
        assert reason in done.stderr
        assert not done.stdout
