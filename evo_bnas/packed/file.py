"""The packed file: a network with 1-bit weights in one file, which runs without torch.

It is a safetensors file. Its tensors are the arrays of `form.entries`, named `<node>.<entry>`: float32 as is,
and 1-bit arrays as a row of bytes with 8 values per byte, the first in the lowest bit, padded only in the
last byte. So the tensors take `cost.size_bits`, rounded up to whole bytes, with two exceptions: a norm before
a sign takes 33 bits per channel although two numbers are counted, and weights that are counted at 8 bits are
stored in 32. The metadata is JSON: `Header`, the format, and a digest of header and tensors.
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
from evo_bnas.files.safetensors_header import broken, header_of, metadata
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
    """The metadata of a packed file."""

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
        blueprint = Blueprint(self.blueprint)
        if blueprint.nodes[-1].shape != (len(self.classes), 1, 1):
            raise ValueError(
                f"names {len(self.classes)} classes, but its network has {blueprint.nodes[-1].shape} outputs"
            )
        if not len(self.mean) == len(self.std) == blueprint.image[0]:
            raise ValueError(
                f"{len(self.mean)} means and {len(self.std)} standard deviations do not fit "
                f"{blueprint.image[0]} channels"
            )
        return self


@dataclass(frozen=True, eq=False)
class PackedNetwork:
    """A network with 1-bit weights and all that is needed to use it."""

    header: Header
    forms: Mapping[str, Form]  # of every node

    @property
    def blueprint(self) -> Blueprint:
        return Blueprint(self.header.blueprint)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes by number."""
        return self.header.classes

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of the input images."""
        return self.header.blueprint[0].shape

    @property
    def payload(self) -> int:
        """Bytes of the tensors in its file."""
        return sum(stored_bytes(entry) for node in self.header.blueprint for entry in entries(node))

    @cached_property
    def program(self) -> Program:
        """The program that runs it."""
        return assemble(self.blueprint, self.forms)

    def normalised(self, images: ArrayLike) -> Floats:
        """Raw pixels (images, channels, height, width), normalised as in training, float32.

        Raises UsageError if the images have another shape than those of the network.
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

        Pixels range from 0 to `header.white`, as in the data set. Raises UsageError as `normalised`.
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
    """Write a network atomically; equal networks give equal bytes."""
    stored = {
        f"{node.name}.{entry.name}": _stored(network.forms[node.name][entry.name], entry)
        for node in network.header.blueprint
        for entry in entries(node)
    }
    header = network.header.model_dump(mode="json")
    write_bytes(path, save(stored, metadata=metadata(_KIND, header | {"digest": _digest(header, stored)})))


def load_packed(path: str | Path) -> PackedNetwork:
    """The network in a file; raises UsageError if the file is damaged, truncated or of another kind."""
    path = Path(path)
    try:
        with safe_open(path, framework="np") as file:
            header = header_of(path, _KIND, file.metadata())
            digest = header.pop("digest", None)
            checked = _header(path, header)
            expected = {
                f"{node.name}.{entry.name}": entry for node in checked.blueprint for entry in entries(node)
            }
            differing = sorted(expected.keys() ^ set(file.keys()))
            if differing:
                problem = "is missing" if differing[0] in expected else "is unexpected"
                raise UsageError(f"{path}: does not fit its blueprint: {differing[0]} {problem}")
            for name, entry in expected.items():
                part = file.get_slice(name)
                actual, wanted = (part.get_dtype(), tuple(part.get_shape())), _kind_and_shape(entry)
                if actual != wanted:
                    raise UsageError(f"{path}: does not fit its blueprint: {name} is {actual}, not {wanted}")
            stored = {name: file.get_tensor(name) for name in expected}
    except (OSError, SafetensorError) as failure:
        raise broken(path, failure) from None
    if digest != _digest(header, stored):
        raise UsageError(f"{path}: is damaged: its content does not match its digest; export it again")
    forms = {
        node.name: {
            entry.name: _loaded(stored[f"{node.name}.{entry.name}"], entry) for entry in entries(node)
        }
        for node in checked.blueprint
    }
    return PackedNetwork(checked, forms)


def stored_bytes(entry: Entry) -> int:
    """Number of bytes of an array in a file."""
    return -(-prod(entry.shape) * entry.bits // _BITS_PER_BYTE)


def pack_bits(values: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Values packed along the last axis, 8 per byte, the first in the lowest bit."""
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
