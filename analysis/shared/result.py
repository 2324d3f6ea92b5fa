"""The stored result of a study: its figures, and where, when and with what they were measured."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evo_bnas.files.atomic import write_bytes

RESULTS = Path(__file__).parents[1] / "results"

_DIGITS = 6  # significant ones of every stored number


@dataclass(frozen=True, slots=True)
class Result:
    """One file of `analysis/results`."""

    study: str
    command: str  # that measures it again
    date: str  # ISO 8601
    minutes: float
    machine: Mapping[str, Any]  # processor, cores, threads
    versions: Mapping[str, str]
    options: Mapping[str, Any]  # of the study, seeds included; of a path only the file's name
    figures: Mapping[str, Any]
    note: str = ""  # anything else a reader should know, such as other work on the machine

    @classmethod
    def read(cls, name: str, folder: Path = RESULTS) -> "Result | None":
        """The stored result of a study; None if it is not measured yet."""
        file = folder / f"{name}.json"
        return cls(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None

    def write(self, folder: Path = RESULTS) -> Path:
        """Store the result, and return its file."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.study}.json"
        text = json.dumps(_rounded(asdict(self)), indent=1, ensure_ascii=False, allow_nan=False)
        # A list of numbers takes one line.
        text = re.sub(r"\[[^\[\]{}]*\]", lambda match: re.sub(r"\n\s*", " ", match[0]), text)
        write_bytes(file, f"{text}\n".encode())
        return file

    @property
    def caption(self) -> str:
        """How the figures were measured, as a line of Markdown."""
        cores, threads = self.machine["cores"], self.machine["threads"]
        return (
            f"*`{self.command}`: {self.machine['processor']}, {cores} core{'s' * (cores > 1)}, "
            f"{threads} thread{'s' * (threads > 1)}; "
            f"{', '.join(f'{name} {self.versions[name]}' for name in ('evo-bnas', 'torch'))}; {self.date}"
            f"{self.note and f'; {self.note}'}.*"
        )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
