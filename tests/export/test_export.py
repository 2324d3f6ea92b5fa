"""Exports: C and ONNX compute what the packed program computes; maps in the arena never overlap."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evo_bnas.errors import UsageError
from evo_bnas.export import targets
from evo_bnas.export.arena import Buffer, lower_bound, place
from evo_bnas.export.c import export_c
from evo_bnas.export.memory import MemoryPlan, plan
from evo_bnas.export.onnx import export_onnx
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node
from evo_bnas.packed.assemble import assemble
from evo_bnas.packed.file import PackedNetwork, load_packed
from evo_bnas.packed.form import Form, entries
from evo_bnas.run.folder import Run
from evo_bnas.space.genes import Architecture, Space
from tests.support import digits
from tests.support.blueprints import blueprint_of, conv_node
from tests.support.commands import evo_bnas
from tests.support.networks import random_packed_network
from tests.support.retrained import KEY, retrained_run
from tests.support.strategies import SPACES, drawn

FLAGS = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-std=c99", "-ffp-contract=off")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

# Reads raw pixels image by image, and writes the class and the logits of each.
MAIN = """
#include "network.h"
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    static uint8_t pixels[NETWORK_HEIGHT * NETWORK_WIDTH * NETWORK_CHANNELS];
    float *arena = malloc(NETWORK_ARENA_BYTES), *logits = malloc(NETWORK_CLASSES * sizeof *logits);
    while (fread(pixels, sizeof pixels, 1, stdin)) {
        const float class = (float)network_run(pixels, arena, logits);
        fwrite(&class, sizeof class, 1, stdout);
        fwrite(logits, sizeof *logits, NETWORK_CLASSES, stdout);
    }
    free(arena);
    free(logits);
    return 0;
}
"""


def compiled(source_file: Path, *flags: str) -> Path:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.fail("install gcc to test the exported C")
    program = source_file.with_name("program")
    command = [gcc, *FLAGS, *flags, str(source_file), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def answers(
    network: PackedNetwork, folder: Path, pixels: np.ndarray, *flags: str
) -> tuple[np.ndarray, np.ndarray]:
    """Classes and logits that the exported C gives for raw pixels (images, channels, height, width)."""
    export_c(network, folder / "network.c")
    (folder / "main.c").write_text(MAIN)
    program = compiled(folder / "network.c", *flags, str(folder / "main.c"))
    rows = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)).tobytes()
    done = subprocess.run([program], input=rows, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found = np.frombuffer(done.stdout, np.float32).reshape(len(pixels), -1)
    return found[:, 0].astype(int), found[:, 1:]


def some_pixels(network: PackedNetwork, count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 17, (count, *network.image), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return retrained_run(tmp_path_factory.mktemp("export") / "run")


@pytest.fixture(scope="module")
def network(run: Run) -> PackedNetwork:
    _, written = targets.export(run, KEY, "packed")
    return load_packed(written.files[0])


@pytest.mark.parametrize("flags", [("-O2",), SANITIZED], ids=["optimised", "sanitised"])
def test_the_c_code_classifies_all_test_images_as_the_packed_program(
    network: PackedNetwork, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    raw = digits.decoded()
    pixels = raw.pixels[digits.splits().test]
    classes, logits = answers(network, tmp_path, pixels, *flags)
    expected = network.logits(pixels)
    assert np.array_equal(classes, expected.argmax(1))
    near = np.isclose(logits, expected, rtol=1e-4, atol=1e-4).all(axis=1)
    assert near.mean() >= 0.98  # a real sum that is rounded differently may flip a sign


@pytest.mark.parametrize(
    "space", ["elastic-8", "elastic-mobile-8", "elastic-resnet-8", "binary-cell-8", "op-chain-8"]
)
def test_networks_of_every_family_give_the_same_logits_in_c(space: str, tmp_path: Path) -> None:
    found = SPACES[space]
    network = random_packed_network(found.draw(found.sample(np.random.default_rng(1))))
    pixels = some_pixels(network)
    classes, logits = answers(network, tmp_path, pixels, *SANITIZED)
    expected = network.logits(pixels)
    assert np.allclose(logits, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert np.array_equal(classes, expected.argmax(1))


def trunk(**fields: object) -> Blueprint:
    """Nodes of every kind except real sums, so that logits are equal to the last bit."""
    after = ("norm", "prelu", "norm", "add", "rprelu")
    nodes = (
        conv_node(
            name="wide",
            inputs=(0,),
            cin=6,
            shape=(12, 7, 5),
            before=("shift",),
            after=("scale", "relu"),
            **fields,
        ),
        conv_node(
            name="again", inputs=(1, 1), cin=12, shape=(12, 7, 5), before=("norm",), after=after, **fields
        ),
        Node("largest", "pool_max", (2,), (12, 4, 3), kernel=3, stride=2, after=("norm",)),
        Node("average", "pool_avg", (2,), (12, 4, 3), kernel=2, stride=2),
        Node("beside", "concat", (3, 4), (24, 4, 3)),
        Node("sum", "sum", (3, 4), (12, 4, 3), after=("prelu",)),
        Node("tile", "tile", (6,), (24, 4, 3)),
        conv_node(name="narrow", inputs=(5, 7), cin=24, shape=(24, 4, 3), after=("norm", "add"), **fields),
        Node("mean", "mean", (8,), (24, 1, 1)),
    )
    return blueprint_of(*nodes, image=(6, 7, 5))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pad": 1, "dilation": 2},
        {"pad": 1, "kernel": 1, "groups": 2},
        {"groups": 6, "kernel": 5},
        {"groups": 3, "pad": 1},
    ],
    ids=str,
)
def test_what_has_no_real_sums_gives_the_same_bits_in_c(fields: Mapping[str, object], tmp_path: Path) -> None:
    network = random_packed_network(trunk(**fields))
    pixels = some_pixels(network, 20)
    _, logits = answers(network, tmp_path, pixels, *SANITIZED)
    assert np.array_equal(logits, network.logits(pixels))


@pytest.mark.parametrize("before", [(), ("norm",), ("shift",)])
@pytest.mark.parametrize("bits", [(32, 32), (1, 32), (32, 1)])
def test_real_sums_of_every_kind_agree_up_to_rounding(
    before: tuple[str, ...], bits: tuple[int, int], tmp_path: Path
) -> None:
    node = conv_node(
        before=before, weight_bits=bits[0], input_bits=bits[1], groups=2, pad=1, stride=2, shape=(6, 4, 3)
    )
    mean = Node("mean", "mean", (1,), (6, 1, 1))
    dense = Node("dense", "dense", (2,), (5, 1, 1), cin=6)
    network = random_packed_network(blueprint_of(node, mean, dense))
    pixels = some_pixels(network, 20)
    _, logits = answers(network, tmp_path, pixels, "-O1")
    expected = network.logits(pixels)
    assert np.allclose(logits, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_the_self_check_passes_and_notices_a_wrong_logit(network: PackedNetwork, tmp_path: Path) -> None:
    written = export_c(network, tmp_path / "digits_net.c")
    assert "-DDIGITS_NET_CHECK" in written.command
    program = compiled(written.files[0], "-O2", "-DDIGITS_NET_CHECK")
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.count("passed") == 3
    text = written.files[0].read_text()
    at = text.index("check_logits[][")
    wrong = text[:at] + text[at:].replace("0x1.", "-0x1.", 1).replace("--", "")
    written.files[0].write_text(wrong)
    again = subprocess.run(
        [compiled(written.files[0], "-DDIGITS_NET_CHECK")], capture_output=True, check=False
    )
    assert again.returncode == 1
    assert again.stdout.count(b"FAILED") == 1


def test_equal_networks_give_equal_c(network: PackedNetwork, tmp_path: Path) -> None:
    texts = set()
    for _ in range(2):
        export_c(network, tmp_path / "network.c")
        texts.add((tmp_path / "network.c").read_text())
    assert len(texts) == 1


def run_onnx(network: PackedNetwork, path: Path, pixels: np.ndarray) -> np.ndarray:
    export_onnx(network, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"pixels": pixels.astype(np.float32)})
    return logits


@pytest.mark.parametrize("space", ["elastic-mobile-8", "elastic-resnet-8", "binary-cell-8", "nb201-binary-8"])
def test_networks_of_every_family_give_the_same_logits_in_onnx(space: str, tmp_path: Path) -> None:
    found = SPACES[space]
    network = random_packed_network(found.draw(found.sample(np.random.default_rng(1))))
    pixels = some_pixels(network)
    logits, expected = run_onnx(network, tmp_path / "net.onnx", pixels), network.logits(pixels)
    assert np.allclose(logits, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("fields", [{}, {"pad": 1, "dilation": 2}, {"groups": 3, "pad": 1}], ids=str)
def test_every_kind_of_step_is_exported_to_onnx(fields: Mapping[str, object], tmp_path: Path) -> None:
    network = random_packed_network(trunk(**fields))
    pixels = some_pixels(network, 20)
    logits, expected = run_onnx(network, tmp_path / "net.onnx", pixels), network.logits(pixels)
    near = np.isclose(logits, expected, rtol=1e-4, atol=1e-4).all(axis=1)
    assert near.mean() >= 0.9  # fused products are rounded differently, which may flip a sign


def test_onnx_classifies_the_test_images_as_the_packed_program(
    network: PackedNetwork, tmp_path: Path
) -> None:
    raw = digits.decoded()
    pixels = raw.pixels[digits.splits().test]
    found = run_onnx(network, tmp_path / "net.onnx", pixels).argmax(1)
    assert (found == network.predict(pixels)).mean() >= 0.99


def test_names_of_classes_are_escaped_in_c(network: PackedNetwork, tmp_path: Path) -> None:
    names = ('quo"te', "back\\slash", "*/", "new\nline", "Ä7", "??/", *"6789")
    odd = PackedNetwork(network.header.model_copy(update={"classes": names, "data": "a */ b"}), network.forms)
    export_c(odd, tmp_path / "network.c")
    (tmp_path / "main.c").write_text(
        '#include "network.h"\n#include <stdio.h>\n'
        "int main(void) { for (int n = 0; n < 10; n++) puts(network_class_names[n]); return 0; }\n"
    )
    program = compiled(tmp_path / "network.c", str(tmp_path / "main.c"))
    assert (
        subprocess.run([program], capture_output=True, check=True).stdout == "\n".join((*names, "")).encode()
    )


def test_a_file_name_that_is_not_valid_in_c_is_refused(network: PackedNetwork, tmp_path: Path) -> None:
    for name in ("network", "my-net.c", "1.c"):
        with pytest.raises(UsageError, match=r"--out .*network\.c"):
            export_c(network, tmp_path / name)


@given(
    st.lists(
        st.builds(
            lambda size, first, length: Buffer(4 * size, first, first + length),
            st.integers(1, 50),
            st.integers(0, 12),
            st.integers(0, 6),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_buffers_that_are_needed_together_do_not_overlap(buffers: list[Buffer]) -> None:
    offsets, size = place(buffers)
    assert all(offset >= 0 and offset + b.size <= size for offset, b in zip(offsets, buffers, strict=True))
    assert no_overlap(list(zip(offsets, buffers, strict=True)))
    assert lower_bound(buffers) <= size <= sum(b.size for b in buffers)


def no_overlap(placed: list[tuple[int, Buffer]]) -> bool:
    return not any(
        first.coexists(second) and start < begin + second.size and begin < start + first.size
        for number, (start, first) in enumerate(placed)
        for begin, second in placed[:number]
    )


def zeros(blueprint: Blueprint) -> dict[str, Form]:
    kinds = {1: np.bool_, 32: np.float32}
    return {
        node.name: {entry.name: np.zeros(entry.shape, kinds[entry.bits]) for entry in entries(node)}
        for node in blueprint.nodes
    }


def memory_of(blueprint: Blueprint) -> MemoryPlan:
    return plan(assemble(blueprint, zeros(blueprint)))


@settings(max_examples=30)
@given(drawn())
def test_maps_that_are_needed_at_the_same_step_do_not_share_bytes(found: tuple[Space, Architecture]) -> None:
    space, architecture = found
    memory = memory_of(space.draw(architecture))
    placed = [(p.offset, p.buffer) for p in memory.places.values()]
    assert no_overlap(placed)
    assert all(offset % 4 == 0 and offset + buffer.size <= memory.size for offset, buffer in placed)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_an_arena_is_hardly_larger_than_its_lower_bound(space: Space) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        memory = memory_of(space.draw(space.sample(rng)))
        assert memory.size <= 1.02 * lower_bound([p.buffer for p in memory.places.values()])


def test_export_prints_files_sizes_and_the_next_command(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "new" / "net.c"
    done = evo_bnas("export", run.folder, "--to", "c", "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"{out}  {out.stat().st_size:,} bytes" in done.stdout
    assert "bytes of arena" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("next, use it: cc ")
    assert KEY in done.stdout


def test_a_network_that_is_not_retrained_cannot_be_exported(run: Run) -> None:
    done = evo_bnas("export", run.folder, "c8-c16d1.k3g1-c32d1.k3g1-c64d1.k3g1")
    assert done.returncode == 2
    assert "is not retrained" in done.stderr
    assert f"evo-bnas retrain {run.folder}" in done.stderr


def test_a_key_that_is_not_of_the_space_cannot_be_exported(run: Run) -> None:
    done = evo_bnas("export", run.folder, "c9")
    assert done.returncode == 2
    assert "stem.channels" in done.stderr


def test_weights_that_do_not_match_the_card_are_refused(run: Run) -> None:
    weights = run.pick_folder(KEY) / "network.safetensors"
    kept = weights.read_bytes()
    # The file is complete, but a weight differs.
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    try:
        with pytest.raises(UsageError, match=r"card\.json"):
            targets.export(run, KEY, "packed")
    finally:
        weights.write_bytes(kept)
