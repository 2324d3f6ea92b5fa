"""Export to two C99 files: constants, a table of steps, and the short interpreter in `template.c`."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evo_bnas.errors import UsageError
from evo_bnas.export.exported import Exported
from evo_bnas.export.memory import MapId, MemoryPlan, plan
from evo_bnas.files.atomic import write_bytes
from evo_bnas.packed.file import PackedNetwork, pack_bits
from evo_bnas.packed.step import Step

_OPERATIONS = {"conv": "REAL", "dense": "REAL"}  # names in C that are not those of the step in capitals
_SIZES = ("height", "width", "channels", "kernel", "stride", "dilation", "groups")
_MAX_SIZE = 2**16 - 1  # sizes are stored in 16 bits
_LINE = 100  # characters of a line of numbers
_CHECKS = 3  # images in the self-check
_CANDIDATES = 64  # random images that these are chosen from
_PERTURBATION = 1e-5  # relative change of the pixels that finds the stable ones
_TEMPLATES = Path(__file__).parent


def export_c(network: PackedNetwork, path: Path) -> Exported:
    """Write `path` and a header next to it; the stem of the file is the prefix of all names in C.

    Raises UsageError if the stem is not an identifier of C, or if the network is too large for 16-bit sizes.
    """
    name = path.stem
    if path.suffix != ".c" or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UsageError(f"--out {path}: is not a valid name of a C file; choose one such as network.c")
    memory = plan(network.program)
    tables = _Tables(network, memory)
    channels, height, width = network.image
    header = path.with_suffix(".h")
    values = {
        "name": name,
        "NAME": name.upper(),
        "title": _comment(
            f"{network.header.key} of {network.header.space}, trained on {network.header.data}"
        ),
        "about": f"Test error {100 * network.header.test_error:.2f} %. Written by evo-bnas.",
        "file": path.name,
        "header": header.name,
        "channels": channels,
        "height": height,
        "width": width,
        "classes": len(network.classes),
        "white": network.header.white,
        "arena": memory.size,
        "tables": tables.text(name),
        "check": _checks(network),
    }
    for file, template in ((header, "template.h"), (path, "template.c")):
        text = Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)
        write_bytes(file, text.encode())
    return Exported(
        (path, header),
        {"constants": tables.size, "arena": memory.size},
        f"cc -std=c99 -O2 -ffp-contract=off -D{name.upper()}_CHECK {quote(str(path))} -o check && ./check",
    )


class _Tables:
    """Constants and the table of steps, in C; `size` is the number of bytes of the constants."""

    def __init__(self, network: PackedNetwork, memory: MemoryPlan) -> None:
        self._network = network
        self._memory = memory
        self._constants: list[str] = []
        self.size = 0
        self._rows = [self._step(index, step) for index, step in enumerate(network.program.steps)]

    def text(self, name: str) -> str:
        """All tables, including the names of the classes."""
        header = self._network.header
        classes = ",\n    ".join(_string(title) for title in header.classes)
        steps = "\n".join(self._rows)
        return "\n".join(
            [
                f"const char *const {name}_class_names[] = {{\n    {classes}}};",
                f"static const double image_mean[] = {{{', '.join(v.hex() for v in header.mean)}}};",
                f"static const double image_std[] = {{{', '.join(v.hex() for v in header.std)}}};",
                *self._constants,
                f"static const Step steps[] = {{\n{steps}\n}};",
            ]
        )

    def _step(self, index: int, step: Step) -> str:
        """The row of a step."""
        sizes = {field: getattr(step, field) for field in _SIZES}
        if max(*sizes.values(), len(step.inputs)) > _MAX_SIZE:
            raise UsageError(
                f"{step.name}: has a size above {_MAX_SIZE:,}, the maximum of the C export; "
                "export to packed or onnx"
            )
        fields = {
            "operation": _OPERATIONS.get(step.operation, step.operation.upper()),
            **sizes,
            "pad": step.pad,
            "unpacks": int(step.unpacks),
            "input_count": len(step.inputs),
            **self._operands(index, step),
            **self._epilogue(index, step),
        }
        body = ", ".join(f".{field} = {value}" for field, value in fields.items() if value not in (0, None))
        return f"    /* {index}: {_comment(step.name)} */\n" + "\n".join(_wrapped(f"{{{body}}},", "    "))

    def _operands(self, index: int, step: Step) -> dict[str, object]:
        """What a step reads, and the map of real values that it writes."""
        lead, fields = f"s{index}", dict[str, object]()
        if step.inputs:
            places = [self._map(read) for read in self._memory.inputs[index]]
            fields["inputs"] = self._constant("Map", f"{lead}_inputs", places)
        shortcut = self._memory.shortcuts[index]
        for field, used in (("shortcut", shortcut), ("real", MapId(index) if step.real else None)):
            if used:
                fields[field] = self._constant("Map", f"{lead}_{field}", [self._map(used)])
        if step.weight is not None:
            if step.operation == "binary":
                fields["bits"] = self._bytes(f"{lead}_bits", pack_bits(step.weight))
            else:
                fields["weights"] = self._floats(f"{lead}_weights", step.weight)
        return fields

    def _epilogue(self, index: int, step: Step) -> dict[str, object]:
        lead, fields, epilogue = f"s{index}", dict[str, object](), step.epilogue
        rows = {"before": step.before, "affine1": epilogue.affine1, "affine2": epilogue.affine2}
        for field, values in rows.items():
            if values is not None and len(values):
                fields[field] = self._floats(f"{lead}_{field}", values)
        for field, values in (("act1", epilogue.act1), ("act2", epilogue.act2)):
            if len(values):
                fields[field] = f"{{{self._floats(f'{lead}_{field}', values)}, {int(len(values) > 1)}}}"
        if len(epilogue.levels):
            readers = [self._reader(index, step, entry) for entry in range(len(epilogue.levels))]
            fields["readers"] = self._constant("Reader", f"{lead}_readers", readers)
            fields["reader_count"] = len(readers)
        return fields

    def _reader(self, index: int, step: Step, entry: int) -> str:
        lead = f"s{index}_reader{entry}"
        levels = self._floats(f"{lead}_levels", step.epilogue.levels[entry])
        flips = step.epilogue.flips[entry]
        flipped = self._bytes(f"{lead}_flips", pack_bits(flips)) if flips.any() else "0"
        return f"{{{self._map(MapId(index, entry))}, {levels}, {flipped}}}"

    def _map(self, used: MapId) -> str:
        step = self._network.program.steps[used.step]
        place = self._memory.places[used]
        return f"{{{place.offset}, {step.height}, {step.width}, {step.channels}, {place.groups}}}"

    def _bytes(self, name: str, values: NDArray[np.uint8]) -> str:
        self.size += values.size
        return self._constant("uint8_t", name, [str(value) for value in values.ravel()])

    def _floats(self, name: str, values: NDArray[Any]) -> str:
        self.size += 4 * values.size
        return self._constant("float", name, [_float(value) for value in values.ravel().tolist()])

    def _constant(self, kind: str, name: str, values: Sequence[str]) -> str:
        self._constants += [f"static const {kind} {name}[] = {{", *_wrapped(", ".join(values) + "};", "    ")]
        return name


def _checks(network: PackedNetwork) -> str:
    """Images for the self-check with their logits: of many random ones, those with the most stable logits.

    On another machine, a real sum may be rounded differently. That can flip a sign, which changes the logits
    by far more than the rounding.
    """
    pixels = np.random.default_rng(0).integers(
        0, network.header.white, (_CANDIDATES, *network.image), dtype=np.uint8, endpoint=True
    )
    logits = network.logits(pixels)
    normalised = network.normalised(pixels)
    perturbed = [
        network.program.run(normalised * np.float32(1 + change)) for change in (-_PERTURBATION, _PERTURBATION)
    ]
    change = sum(np.abs(other - logits).max(1) for other in perturbed)
    stable = np.argsort(change, kind="stable")[:_CHECKS]
    chosen = pixels[stable].transpose(0, 2, 3, 1).reshape(_CHECKS, -1)
    return "\n".join(
        [
            f"static const uint8_t check_pixels[][{chosen.shape[1]}] = {{",
            *_wrapped(_nested([map(str, row) for row in chosen.tolist()]), "    "),
            f"static const float check_logits[][{logits.shape[1]}] = {{",
            *_wrapped(_nested([map(_float, row) for row in logits[stable].tolist()]), "    "),
            f"static const int check_classes[] = {{{', '.join(map(str, logits[stable].argmax(1)))}}};",
        ]
    )


def _nested(rows: Iterable[Iterable[str]]) -> str:
    return ", ".join("{" + ", ".join(row) + "}" for row in rows) + "};"


def _float(value: float) -> str:
    """An exact float constant."""
    if np.isinf(value):
        return "HUGE_VALF" if value > 0 else "-HUGE_VALF"
    mantissa, _, exponent = value.hex().partition("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}p{exponent}f"


def _string(text: str) -> str:
    octets = text.encode()
    plain = "".join(
        chr(octet) if 32 <= octet < 127 and octet not in b'"\\?' else f"\\{octet:03o}" for octet in octets
    )
    return f'"{plain}"'


def _comment(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("*/", "* /")


def _wrapped(text: str, indent: str) -> Iterable[str]:
    """Lines of limited length, broken after commas."""
    line = indent
    for word in text.split(", "):
        if len(line) + len(word) > _LINE and line.strip():
            yield line.rstrip()
            line = indent
        line += word + ", "
    yield line[: -len(", ")]
