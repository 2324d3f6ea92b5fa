"""A network as one file of 1-bit weights, which runs without torch.

The file is a safetensors file. Its tensors are the arrays of `form.entries`, named `<node>.<entry>`: float32
ones as they are, 1-bit ones as one row of bytes, 8 values a byte, the first in the lowest bit, without
padding but in the last byte. So its tensors take `cost.size_bits` and what rounding up to bytes adds, with
two exceptions: a norm before a sign takes 33 bits a channel where two numbers are counted, and weights that
are counted at 8 bits stand here in 32. The header entry is JSON: `Header`, a format and a digest of it all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, ValidationError, field_serializer, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import write_bytes
from evo_bnas.files.tensor_header import broken, header_of, metadata
from evo_bnas.files.yaml_file import Settings
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node
from evo_bnas.packed.assemble import assemble
from evo_bnas.packed.form import Entry, Form, entries
from evo_bnas.packed.program import Program
from evo_bnas.packed.step import Floats

_KIND = "packed"
_BITS_PER_BYTE = 8

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Header(Settings):
    """What a packed file says of its network, besides its tensors."""

    key: str  # of the architecture
    space: str
    blueprint: tuple[Node, ...]
    data: str  # name of the data set it was trained on
    classes: tuple[str, ...]
    mean: tuple[Finite, ...]  # of raw pixels, per channel
    std: tuple[Annotated[Finite, Field(gt=0)], ...]
    white: Annotated[int, Field(gt=0, le=255)]  # the largest raw pixel
    test_error: Annotated[float, Field(ge=0, le=1)]

    @field_serializer("blueprint")
    def _rows(self, nodes: tuple[Node, ...]) -> list[dict[str, Any]]:
        return Blueprint(nodes).to_rows()

    @model_validator(mode="after")
    def _fits(self) -> "Header":
        drawn = Blueprint(self.blueprint)
        if drawn.nodes[-1].shape != (len(self.classes), 1, 1):
            raise ValueError(
                f"names {len(self.classes)} classes; its network puts out {drawn.nodes[-1].shape}"
            )
        if not len(self.mean) == len(self.std) == drawn.image[0]:
            raise ValueError(f"mean and std are not those of {drawn.image[0]} channels")
        return self


@dataclass(frozen=True, eq=False)
class PackedNetwork:
    """A network of 1-bit weights with all that is needed to use it."""

    header: Header
    forms: Mapping[str, Form]  # of every node

    @property
    def blueprint(self) -> Blueprint:
        return Blueprint(self.header.blueprint)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by their numbers."""
        return self.header.classes

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of the images it takes."""
        return self.header.blueprint[0].shape

    @property
    def payload(self) -> int:
        """Bytes of the tensors in its file."""
        return sum(stored_bytes(entry) for node in self.header.blueprint for entry in entries(node))

    @cached_property
    def program(self) -> Program:
        """What runs it."""
        return assemble(self.blueprint, self.forms)

    def normalised(self, images: ArrayLike) -> Floats:
        """Raw pixels (images, channels, height, width) as the network was trained on them, float32.

        Raises UsageError where their shape is not that of the network's images.
        """
        pixels = np.asarray(images)
        if pixels.ndim != 4 or pixels.shape[1:] != self.image:
            raise UsageError(
                f"images of {pixels.shape}: the network takes (images, channels, height, width) "
                f"= (n, {', '.join(map(str, self.image))})"
            )
        mean, std = (np.array(values)[:, None, None] for values in (self.header.mean, self.header.std))
        return np.asarray((pixels - mean) / std, np.float32)

    def logits(self, images: ArrayLike) -> Floats:
        """Logits (images, classes) of raw pixels (images, channels, height, width) of any number type.

        Pixels go from 0 to `header.white`, as in the data set. Raises UsageError as `normalised`.
        """
        return self.program.run(self.normalised(images))

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """The number of the most probable class of each image; as `logits`."""
        return np.asarray(self.logits(images).argmax(1), np.int64)

    def probabilities(self, images: ArrayLike) -> NDArray[np.float64]:
        """The softmax of the logits (images, classes); as `logits`."""
        powers = np.exp((logits := self.logits(images).astype(np.float64)) - logits.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))


def save_packed(network: PackedNetwork, path: Path) -> None:
    """Write a network, whole or not at all; equal networks give equal bytes."""
    stored = {
        f"{node.name}.{entry.name}": _stored(network.forms[node.name][entry.name], entry)
        for node in network.header.blueprint
        for entry in entries(node)
    }
    header = network.header.model_dump(mode="json")
    write_bytes(path, save(stored, metadata=metadata(_KIND, header | {"digest": _digest(header, stored)})))


def load_packed(path: str | Path) -> PackedNetwork:
    """The network in a file; raises UsageError where the file is damaged, cut off or something else."""
    path = Path(path)
    try:
        with safe_open(path, framework="np") as file:
            header = header_of(path, _KIND, file.metadata())
            digest = header.pop("digest", None)
            checked = _header(path, header)
            asked = {
                f"{node.name}.{entry.name}": entry for node in checked.blueprint for entry in entries(node)
            }
            differing = sorted(asked.keys() ^ set(file.keys()))
            if differing:
                here = "is not asked for" if differing[0] in file.keys() else "is missing"  # noqa: SIM118
                raise UsageError(f"{path}: does not fit its blueprint: {differing[0]} {here}")
            for name, entry in asked.items():
                part = file.get_slice(name)
                found, wanted = (part.get_dtype(), tuple(part.get_shape())), _kind_and_shape(entry)
                if found != wanted:
                    raise UsageError(f"{path}: does not fit its blueprint: {name} is {found}, not {wanted}")
            stored = {name: file.get_tensor(name) for name in asked}
    except (OSError, SafetensorError) as failure:
        raise broken(path, failure) from None
    if digest != _digest(header, stored):
        raise UsageError(f"{path}: is damaged: its content is not what was written; export it again")
    forms = {
        node.name: {
            entry.name: _loaded(stored[f"{node.name}.{entry.name}"], entry) for entry in entries(node)
        }
        for node in checked.blueprint
    }
    return PackedNetwork(checked, forms)


def stored_bytes(entry: Entry) -> int:
    """Bytes of an array in a file."""
    return -(-prod(entry.shape) * entry.bits // _BITS_PER_BYTE)


def pack_bits(values: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """8 values a byte along the last axis, the first in the lowest bit."""
    return np.packbits(values, axis=-1, bitorder="little")


def _header(path: Path, header: Mapping[str, Any]) -> Header:
    kept = {name: value for name, value in header.items() if name != "format"}
    try:
        checked = Header.model_validate_json(json.dumps(kept), strict=True)
    except (ValidationError, ArithmeticError) as failure:
        reason = failure.errors()[0]["msg"] if isinstance(failure, ValidationError) else failure
        raise UsageError(f"{path}: its header is damaged: {reason}") from None
    if checked.model_dump(mode="json")["blueprint"] != kept["blueprint"]:
        raise UsageError(f"{path}: its header is damaged: its blueprint has unknown fields")
    return checked


def _kind_and_shape(entry: Entry) -> tuple[str, tuple[int, ...]]:
    return ("U8", (stored_bytes(entry),)) if entry.bits == 1 else ("F32", entry.shape)


def _stored(array: NDArray[Any], entry: Entry) -> NDArray[Any]:
    assert array.shape == entry.shape, f"{entry.name}: {array.shape} is not {entry.shape}"
    return pack_bits(array.ravel()) if entry.bits == 1 else np.ascontiguousarray(array, "<f4")


def _loaded(array: NDArray[Any], entry: Entry) -> NDArray[Any]:
    if entry.bits != 1:
        return array
    bits = np.unpackbits(array, count=prod(entry.shape), bitorder="little")
    return bits.astype(np.bool_).reshape(entry.shape)


def _digest(header: Mapping[str, Any], stored: Mapping[str, NDArray[Any]]) -> str:
    kept = {name: value for name, value in header.items() if name != "format"}
    digest = sha256(json.dumps(kept, sort_keys=True).encode())
    for name in sorted(stored):
        digest.update(stored[name].tobytes())
    return digest.hexdigest()
