"""A table of errors of trained networks, in the form that `evo_bnas/evaluate/table.py` reads."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import write_bytes
from evo_bnas.space.genes import Architecture, Space


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """A table of errors as a CSV file, and beside it its protocol as JSON."""

    path: Path
    space: Space
    seeds: int

    def open(self, protocol: Mapping[str, Any]) -> dict[tuple[str, ...], list[float]]:
        """The errors in the file, by the options of a network; empty if there is no file yet.

        Raises UsageError if the file was made in another way.
        """
        file = self.path.with_suffix(".json")
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(file, (json.dumps(protocol, indent=2) + "\n").encode())
            return {}
        earlier = json.loads(file.read_text(encoding="utf-8"))
        differing = sorted(key for key in earlier | protocol if earlier.get(key) != protocol.get(key))
        if differing:
            raise UsageError(
                f"{self.path}: was made with another {', '.join(differing)}; choose another folder with --out"
            )
        genes, seeds = self._columns
        with self.path.open(newline="", encoding="utf-8") as rows:
            columns = csv.DictReader(rows).fieldnames or []
            found = [name for name in columns if name.startswith("error_")]
            if found != seeds:
                raise UsageError(
                    f"{self.path}: has {len(found)} seeds, not {self.seeds}; choose --seeds {len(found)}"
                )
            rows.seek(0)
            return {
                tuple(row[gene] for gene in genes): [float(row[seed]) for seed in seeds]
                for row in csv.DictReader(rows)
            }

    def write(self, networks: Sequence[Architecture], errors: Mapping[tuple[str, ...], list[float]]) -> None:
        """Replace the file by the networks that have errors, in their order."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        genes, seeds = self._columns
        rows.writerow([*genes, *seeds, *self.space.costs(networks[0])])
        for network in networks:
            if own := errors.get(self.options(network)):
                costs = self.space.costs(network).values()
                rows.writerow([*self.options(network), *(f"{error:.6f}" for error in own), *costs])
        write_bytes(self.path, text.getvalue().encode())

    @property
    def _columns(self) -> tuple[list[str], list[str]]:
        """The names of the columns of genes and of errors."""
        genes = [f"gene_{i}" for i in range(len(self.space.genes))]
        return genes, [f"error_{seed}" for seed in range(self.seeds)]

    def options(self, network: Architecture) -> tuple[str, ...]:
        """The options of a network as text, empty where a gene is inactive."""
        active = self.space.active(network.genes)
        return tuple(
            str(gene.options[option]) if on else ""
            for gene, option, on in zip(self.space.genes, network.genes, active, strict=True)
        )
