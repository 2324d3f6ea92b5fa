"""Assembles a program from a blueprint and the inference forms of its nodes, without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import ACTIVATIONS, WEIGHTED, Node
from evo_bnas.packed.form import Form, is_binary, stages_of
from evo_bnas.packed.program import Program
from evo_bnas.packed.step import Epilogue, Floats, Map, Step
from evo_bnas.packed.storage import Storage

_NEUTRAL = {"a": 1.0, "b": 0.0}


def assemble(blueprint: Blueprint, forms: Mapping[str, Form]) -> Program:
    """The program of a blueprint; `forms` has the inference form of every node by name."""
    storage = Storage(blueprint)
    steps = []
    for index, node in enumerate(blueprint.nodes):
        if not storage.is_alias(index):
            readers = [forms[blueprint.nodes[reader].name] for reader in storage.sign_readers(index)]
            form = forms[node.name]
            step = operation(node, form, storage.inputs(index))
            real, signs = storage.outputs(index)
            stages = epilogue(node, form, readers)
            steps.append(
                replace(step, epilogue=stages, shortcut=storage.shortcut(index), real=real, signs=signs)
            )
        storage.release(index)
    return Program(blueprint.image, blueprint.classes, storage.registers, tuple(steps))


def operation(node: Node, form: Form, inputs: tuple[Map, ...]) -> Step:
    """The step of a node without its epilogue and outputs."""
    channels, height, width = node.shape
    return Step(
        name=node.name,
        operation="binary" if is_binary(node) else node.op,
        inputs=inputs,
        height=height,
        width=width,
        channels=channels,
        epilogue=identity(channels),
        kernel=node.kernel,
        stride=node.stride,
        dilation=node.dilation,
        groups=node.groups,
        pad=node.pad,
        weight=_weight(node, form),
        before=_affine(form, "before", node.cin) if node.input_bits == 32 and node.before else None,
        unpacks=node.op in WEIGHTED and node.input_bits == 1 and not is_binary(node),
    )


def identity(channels: int) -> Epilogue:
    """The epilogue that changes no value."""
    none = np.empty((0, channels), np.float32)
    return Epilogue(none, none, none, none, none, none.astype(np.bool_))


def epilogue(node: Node, form: Form, readers: Sequence[Form]) -> Epilogue:
    """The epilogue of a node, with the signs of the result for the nodes that read them."""
    channels = node.shape[0]
    rows: dict[str, Any] = {
        stage: _activation(form, stage, step, channels)
        if step in ACTIVATIONS
        else _affine(form, stage, channels)
        for stage, step in stages_of(node).items()
    }
    return replace(thresholds(channels, readers), **rows)


def thresholds(channels: int, readers: Sequence[Form]) -> Epilogue:
    """An epilogue that only takes the signs of a map, for the nodes that read them."""
    level, flip = np.zeros(channels, np.float32), np.zeros(channels, np.bool_)
    return replace(
        identity(channels),
        levels=np.array([r.get("before.level", level) for r in readers], np.float32).reshape(-1, channels),
        flips=np.array([r.get("before.flip", flip) for r in readers], np.bool_).reshape(-1, channels),
    )


def _weight(node: Node, form: Form) -> NDArray[Any] | None:
    weight = form.get("weight")
    if weight is None or is_binary(node) or node.weight_bits != 1:
        return weight
    return np.where(weight, np.float32(1), np.float32(-1))  # real inputs are multiplied by ±1 as float32


def _affine(form: Form, stage: str, channels: int) -> Floats:
    rows = [form.get(f"{stage}.{part}", np.full(channels, value)) for part, value in _NEUTRAL.items()]
    return np.array(rows, np.float32)


def _activation(form: Form, stage: str, step: str, channels: int) -> Floats:
    if step == "relu":
        return np.zeros((1, channels), np.float32)
    parts = ("slope",) if step == "prelu" else ("slope", "shift_in", "shift_out")
    return np.array([form[f"{stage}.{part}"] for part in parts], np.float32)
