"""Export to an ONNX graph of standard operators, for any runtime that reads ONNX.

ONNX has no 1-bit type: weights of ±1 and signs are float32, so the file is up to 32 times as large as the
network, and it is not faster than a real network. It is for checks and for other tools.
"""

from pathlib import Path
from shlex import quote
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo_bnas.errors import UsageError
from evo_bnas.export.exported import Exported
from evo_bnas.export.memory import MapId, plan
from evo_bnas.files.atomic import write_bytes
from evo_bnas.packed.file import PackedNetwork
from evo_bnas.packed.step import Step

_OPSET, _IR = 17, 8  # versions of 2022, which nearly all runtimes read


def export_onnx(network: PackedNetwork, path: Path) -> Exported:
    """Write `path`: raw pixels (n, channels, height, width) as float32 in, logits (n, classes) out.

    Raises UsageError if the package onnx is not installed.
    """
    graph = _Graph(_package(), network)
    write_bytes(path, graph.model().SerializeToString())
    check = f"import onnxruntime as r; print(r.InferenceSession({str(path)!r}).get_inputs()[0])"
    return Exported((path,), {"tensors": graph.size}, f"python -c {quote(check)}")


def _package() -> ModuleType:
    try:
        import onnx
    except ImportError:
        raise UsageError("--to onnx: needs the package onnx; pip install 'evo-bnas[onnx]'") from None
    return onnx


class _Graph:
    """Nodes and tensors of a graph; `size` is the number of bytes of the tensors.

    Maps are (n, channels, height, width).
    """

    def __init__(self, onnx: ModuleType, network: PackedNetwork) -> None:
        self._onnx = onnx
        self._network = network
        self._nodes: list[Any] = []
        self._tensors: list[Any] = []
        self.size = 0
        memory = plan(network.program)
        for index, step in enumerate(network.program.steps):
            inputs = [_name(read) for read in memory.inputs[index]]
            shortcut = memory.shortcuts[index]
            y = self._operation(step, inputs)
            y = self._epilogue(step, y, _name(shortcut) if shortcut else None)
            if step.real:
                self._apply("Identity", y, out=_name(MapId(index)))
            for entry, (level, flips) in enumerate(
                zip(step.epilogue.levels, step.epilogue.flips, strict=True)
            ):
                self._sign(y, level, flips, _name(MapId(index, entry)))
        self._apply("Flatten", y, out="logits")

    def model(self) -> Any:
        """The graph as a checked model; its metadata holds the names of the classes."""
        helper, header = self._onnx.helper, self._network.header
        image, real = ["n", *self._network.image], self._onnx.TensorProto.FLOAT
        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                header.key,
                [helper.make_tensor_value_info("pixels", real, image)],
                [helper.make_tensor_value_info("logits", real, ["n", len(header.classes)])],
                self._tensors,
            ),
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR,
            producer_name="evo-bnas",
        )
        about = {"classes": "\n".join(header.classes), "test_error": str(header.test_error)}
        helper.set_model_props(model, about)
        self._onnx.checker.check_model(model, full_check=True)
        return model

    def _operation(self, step: Step, inputs: list[str]) -> str:
        match step.operation:
            case "image":
                return self._normalised()
            case "binary" | "conv" | "dense":
                return self._convolution(step, inputs[0])
            case "pool_avg" | "pool_max":
                return self._pool(step, inputs[0])
            case "tile":
                return self._channels(inputs[0], np.arange(step.channels) % step.inputs[0].channels)
            case "concat":
                return self._apply("Concat", *inputs, axis=1)
            case "sum":
                return self._apply("Sum", *inputs)
            case "mean":
                return self._apply("GlobalAveragePool", inputs[0])

    def _normalised(self) -> str:
        """Normalise in float64, like the images of the training."""
        header, double = self._network.header, self._onnx.TensorProto.DOUBLE
        mean, std = (self._tensor(np.array(row)[:, None, None]) for row in (header.mean, header.std))
        centred = self._apply("Sub", self._apply("Cast", "pixels", to=double), mean)
        return self._apply("Cast", self._apply("Div", centred, std), to=self._onnx.TensorProto.FLOAT)

    def _convolution(self, step: Step, x: str) -> str:
        """A convolution; filters are sorted by group, and its outputs put back into the order of channels."""
        assert step.weight is not None
        if step.before is not None:
            x = self._affine(x, step.before)
        weight = step.weight.astype(np.float32) * 2 - 1 if step.operation == "binary" else step.weight
        order = np.argsort(np.arange(step.channels) % step.groups, kind="stable")
        border = step.dilation * (step.kernel - 1) // 2
        if step.pad and border:
            pads = self._tensor(np.array([0, 0, border, border] * 2))
            x = self._apply("Pad", x, pads, self._tensor(np.array(1, np.float32)))
            border = 0
        y = self._apply(
            "Conv",
            x,
            self._tensor(weight.transpose(0, 3, 1, 2)[order]),
            kernel_shape=[step.kernel] * 2,
            strides=[step.stride] * 2,
            dilations=[step.dilation] * 2,
            group=step.groups,
            pads=[border] * 4,
        )
        return y if step.groups == 1 else self._channels(y, np.argsort(order))

    def _pool(self, step: Step, x: str) -> str:
        """A pooling without its padding: odd windows are centred on a pixel, even ones start at it."""
        source = step.inputs[0]
        before = (step.kernel - 1) // 2 if step.kernel % 2 else 0
        after = [
            max(0, (out - 1) * step.stride + step.kernel - before - size)
            for out, size in ((step.height, source.height), (step.width, source.width))
        ]
        return self._apply(
            "AveragePool" if step.operation == "pool_avg" else "MaxPool",
            x,
            kernel_shape=[step.kernel] * 2,
            strides=[step.stride] * 2,
            pads=[before, before, *after],
        )

    def _epilogue(self, step: Step, y: str, shortcut: str | None) -> str:
        rows = step.epilogue
        y = self._affine(self._activation(self._affine(y, rows.affine1), rows.act1), rows.affine2)
        if shortcut and step.shortcut:
            repeated = np.arange(step.channels) % step.shortcut.channels
            if step.shortcut.channels != step.channels:
                shortcut = self._channels(shortcut, repeated)
            y = self._apply("Add", y, shortcut)
        return self._activation(y, rows.act2)

    def _affine(self, y: str, rows: NDArray[np.float32]) -> str:
        if not len(rows):
            return y
        a, b = (self._tensor(row[:, None, None]) for row in rows)
        return self._apply("Add", self._apply("Mul", y, a), b)

    def _activation(self, y: str, rows: NDArray[np.float32]) -> str:
        """A PReLU, with or without a shift before and after it; a ReLU has slope 0."""
        if not len(rows):
            return y
        slope, *shifts = (self._tensor(row[:, None, None]) for row in rows)
        if not shifts:
            return self._apply("PRelu", y, slope)
        return self._apply("Add", self._apply("PRelu", self._apply("Add", y, shifts[0]), slope), shifts[1])

    def _sign(self, y: str, level: NDArray[np.float32], flips: NDArray[np.bool_], out: str) -> None:
        if flips.any():
            direction = np.where(flips, np.float32(-1), np.float32(1))
            y, level = self._apply("Mul", y, self._tensor(direction[:, None, None])), level * direction
        above = self._apply("GreaterOrEqual", y, self._tensor(level[:, None, None]))
        plus, minus = (self._tensor(np.array(value, np.float32)) for value in (1, -1))
        self._apply("Where", above, plus, minus, out=out)

    def _channels(self, x: str, order: NDArray[np.int64]) -> str:
        return self._apply("Gather", x, self._tensor(order), axis=1)

    def _apply(self, operator: str, *inputs: str, out: str = "", **fields: Any) -> str:
        name = out or f"v{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], **fields))
        return name

    def _tensor(self, values: NDArray[Any]) -> str:
        name = f"t{len(self._tensors)}"
        self.size += values.nbytes
        self._tensors.append(self._onnx.numpy_helper.from_array(np.array(values, order="C"), name))
        return name


def _name(used: MapId) -> str:
    return f"s{used.step}" if used.entry is None else f"s{used.step}_signs{used.entry}"
