"""Finished parts of an unfinished study, so that a killed one resumes."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evo_bnas.files.atomic import file_name, write_bytes


class Parts:
    """A folder with one JSON file for each finished part; studies may keep files of their own in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str, compute: Callable[..., Any], *arguments: object) -> Any:
        """The JSON value of a part: read if an earlier run stored it, otherwise computed and stored.

        A dataclass is stored as an object with its fields.
        """
        file = self.folder / f"{file_name(name)}.json"
        if not file.exists():
            write_bytes(file, json.dumps(compute(*arguments), default=asdict).encode())
        return json.loads(file.read_text(encoding="utf-8"))

    def remove(self) -> None:
        """Delete the folder: the study is finished, and the next run measures everything again."""
        shutil.rmtree(self.folder)
