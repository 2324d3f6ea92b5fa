"""Norm statistics of one network, measured with the packed kernels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from evo_bnas.binary.execute import TensorsOf
from evo_bnas.binary.fold import Statistics, Tensors, fold
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import WEIGHTED, Node, elements, norms
from evo_bnas.packed import kernels
from evo_bnas.packed.assemble import epilogue, identity, operation, thresholds
from evo_bnas.packed.compile import form_of
from evo_bnas.packed.epilogue import epilogue_tables
from evo_bnas.packed.form import Form
from evo_bnas.packed.perform import NO_FLOATS, Output, PreparedStep, finish, perform, prepare
from evo_bnas.packed.step import WORD, Bits, Floats, Map

_STAGES = ("affine1", "act1", "affine2", "add", "act2")


@torch.no_grad()
def calibrate_packed(
    blueprint: Blueprint, tensors_of: TensorsOf, images: Floats, batch: int, *, threads: int = 1
) -> Statistics:
    """The statistics of `supernet.calibration.calibrate`, up to rounding and signs that rounding flips.

    For every norm, the mean over batches of the mean and the (biased) variance of its input; every batch is
    normalised by its own statistics. Images (images, channels, height, width) beyond the last full batch are
    left out. The result does not depend on the number of threads, which share the batches.
    """
    measured = [run.statistics for run in _runs(blueprint, tensors_of, images, batch, threads)]
    return {name: torch.stack([own[name] for own in measured]).mean(0).float() for name in measured[0]}


@torch.no_grad()
def calibration_maps(
    blueprint: Blueprint, tensors_of: TensorsOf, images: Floats, batch: int, *, threads: int = 1
) -> Floats:
    """The output of the last node during `calibrate_packed`: (images, channels, height, width).

    Images beyond the last full batch are left out.
    """
    return np.concatenate([run.output for run in _runs(blueprint, tensors_of, images, batch, threads)])


def _runs(
    blueprint: Blueprint, tensors_of: TensorsOf, images: Floats, batch: int, threads: int
) -> list["_BatchRun"]:
    """The run of every batch through the network."""
    batch = min(batch, len(images))
    parts = [images[start : start + batch] for start in range(0, len(images) - batch + 1, batch)]
    planned = [_planned(blueprint, node, tensors_of(node)) for node in blueprint.nodes]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda part: _BatchRun(blueprint, planned, part), parts))


class _Planned(NamedTuple):
    """The parts of a node that are the same for all batches."""

    node: Node
    tensors: Tensors  # with a placeholder for the weight
    operation: PreparedStep


def _planned(blueprint: Blueprint, node: Node, tensors: Tensors) -> _Planned:
    form = form_of(node, fold(node, tensors, dict.fromkeys(_names(node), torch.ones(()))))
    sources = node.inputs[:1] if node.op in WEIGHTED else node.inputs
    maps = tuple(Map(0, h, w, c) for c, h, w in (blueprint.nodes[source].shape for source in sources))
    # The weight is binarised and laid out once; later folds need only a placeholder.
    placeholder = {"weight": torch.zeros(1, 1, 1, 1)} if "weight" in tensors else {}
    return _Planned(node, {**tensors, **placeholder}, prepare(operation(node, form, maps)))


def _names(node: Node) -> list[str]:
    return [f"{node.name}.{site}.{moment}" for site, _ in norms(node) for moment in ("mean", "var")]


class _BatchRun:
    """One batch run through a network node by node, normalised by its own statistics."""

    def __init__(self, blueprint: Blueprint, planned: Sequence[_Planned], images: Floats) -> None:
        self.statistics: dict[str, torch.Tensor] = {}  # float64
        self._images = len(images)
        self._maps: dict[int, Any] = {}
        self._last = blueprint.nodes[-1]
        for index, plan in enumerate(planned):
            self._maps[index] = self._output(plan, images)
            for source in set(plan.node.inputs):
                if blueprint.last_use[source] == index:
                    del self._maps[source]

    @property
    def output(self) -> Floats:
        """The map of the last node, (images, channels, height, width)."""
        channels, height, width = self._last.shape
        (flat,) = self._maps.values()
        last: Floats = flat.reshape(self._images, height, width, channels)
        return last.transpose(0, 3, 1, 2)

    def _output(self, plan: _Planned, images: Floats) -> Floats:
        """The output of a node, flat; measures its norms on the way."""
        node, tensors, prepared = plan
        inputs = [images] if node.op == "image" else [self._maps[source] for source in node.inputs]
        if "norm" in node.before:
            self._measure(f"{node.name}.before", inputs[0], node.cin)
        form = self._form(node, tensors)
        if node.op in WEIGHTED and node.input_bits == 1:
            inputs[0] = self._signs(inputs[0], node.cin, form)
        shortcut = inputs.pop() if "add" in node.after else NO_FLOATS
        y = np.empty(self._images * elements(node), np.float32)
        perform(self._with_statistics(prepared, form, node), self._images, inputs, NO_FLOATS, Output(y))

        todo = list(_STAGES)
        for site, _ in norms(node):
            if site != "before":
                # Apply the stages before the norm, then measure it.
                at = todo.index("affine1" if node.steps[0][0] == site else "affine2")
                self._apply(node, form, todo[:at], y, shortcut)
                del todo[:at]
                self._measure(f"{node.name}.{site}", y, node.shape[0])
                form = self._form(node, tensors)
        self._apply(node, form, todo, y, shortcut)
        return y

    def _with_statistics(self, prepared: PreparedStep, form: Form, node: Node) -> PreparedStep:
        """An operation whose `before` norm, if it has one, uses the statistics of the batch."""
        if prepared.step.before is None or "norm" not in node.before:
            return prepared
        before = np.stack([form["before.a"], form["before.b"]])
        return prepared._replace(step=replace(prepared.step, before=before))

    def _form(self, node: Node, tensors: Tensors) -> Form:
        """The inference form of a node, with placeholders for norms that are not measured yet."""
        names = _names(node)
        measured = {name: self.statistics[name].float() for name in names if name in self.statistics}
        return form_of(node, fold(node, tensors, dict.fromkeys(names, torch.ones(())) | measured))

    def _measure(self, address: str, y: Floats, channels: int) -> None:
        pixels = len(y) // channels
        total, squares = np.zeros((2, channels), np.float64)
        kernels.moments(pixels, channels, y, total, squares)
        mean = total / pixels
        self.statistics[f"{address}.mean"] = torch.from_numpy(mean)
        variance = np.maximum(squares / pixels - mean * mean, 0)
        self.statistics[f"{address}.var"] = torch.from_numpy(variance)

    def _apply(self, node: Node, form: Form, stages: list[str], y: Floats, shortcut: Floats) -> None:
        """Apply these stages of an epilogue in place."""
        channels = node.shape[0]
        whole = epilogue(node, form, ())
        part = replace(identity(channels), **{name: getattr(whole, name) for name in stages if name != "add"})
        added = channels if "add" in node.after and "add" in stages else 0
        if added or not part.empty:
            pixels = len(y) // channels
            finish(pixels, channels, y, epilogue_tables(part, adds=added > 0), shortcut, added, Output(y))

    def _signs(self, y: Floats, channels: int, reader: Form) -> Bits:
        pixels = len(y) // channels
        signs = np.empty(pixels * -(-channels // WORD), np.uint64)
        tables = epilogue_tables(thresholds(channels, [reader]))
        finish(pixels, channels, y, tables, NO_FLOATS, 0, Output(signs=signs))
        return signs
