"""`python -m analysis NAME`: measure a study with its options and store the result."""

import argparse
import re
import shlex
import time
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

from analysis.shared.parts import Parts
from analysis.shared.result import RESULTS, Result
from analysis.shared.study import Study, load
from evo_bnas.machine import cores, processor, versions

WORK = Path("runs/out/analysis")
_FOLDERS = re.compile(r"(?<![^=])/(?:[^/]+/)*")  # of an absolute path, also in KEY=PATH
_PACKAGES = (
    "evo-bnas", "torch", "numpy", "scikit-learn", "pymoo", "moocore", "numba", "ray", "onnxruntime", "optuna",
)  # fmt: skip


def measure(name: str, arguments: Sequence[str]) -> tuple[Result, Path]:
    """Measure a study, or resume an interrupted run with the same options; returns the result and its file.

    Raises UsageError if an option has a wrong value.
    """
    study = load(name)
    parser = _parser(name, study)
    options = parser.parse_args(arguments)
    results, work, note = options.results, options.work, options.note
    del options.results, options.work, options.note
    recorded = {option: recorded_value(value) for option, value in vars(options).items()}
    digest = sha256(repr(sorted(vars(options).items())).encode()).hexdigest()[:8]
    parts = Parts(work / f"{name}-{digest}")
    machine = {"processor": processor(), "cores": cores(), "threads": study.threads}
    begin = time.perf_counter()
    figures = study.measure(options, parts)
    seconds = time.perf_counter() - begin
    result = Result(
        study=name,
        command=_command(name, parser, options),
        date=date.today().isoformat(),
        minutes=seconds / 60,
        machine=machine,
        versions=versions(_PACKAGES),
        options=recorded,
        note=note,
        figures=figures,
    )
    file = result.write(results)
    parts.remove()
    return result, file


def _parser(name: str, study: Study) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m analysis {name}",
        description=study.about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    study.options(parser)
    parser.add_argument("--note", default="", help="to be stored, such as: other work on the machine")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of unfinished studies")
    return parser


def recorded_value(value: Any) -> Any:
    """An option as a JSON value that does not tell where files are on this machine."""
    if isinstance(value, list | tuple):
        return [recorded_value(item) for item in value]
    if isinstance(value, Path):
        return value.name
    return _FOLDERS.sub("", value) if isinstance(value, str) else value


def _command(name: str, parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """The command line, with the options that differ from their defaults."""
    words = ["python", "-m", "analysis", name]
    for option, value in vars(options).items():
        if value != parser.get_default(option):
            values = value if isinstance(value, list | tuple) else [value]
            words += [f"--{option.replace('_', '-')}", *(str(recorded_value(item)) for item in values)]
    return shlex.join(words)
