"""Search spaces from a table of results: a published benchmark, or networks trained before.

The genes of a network are read from columns of the table, and so are its costs: it has no blueprint.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import isfinite
from pathlib import Path
from statistics import fmean

import numpy as np

from evo_bnas.errors import UsageError, suggestion
from evo_bnas.network.objectives import EXACT, OBJECTIVES
from evo_bnas.quantity import show
from evo_bnas.space.genes import Architecture, Count, Gene, Genes, GeneSpace

_GENE = "gene_"
_SEED = re.compile(r"error_\d+")
_MACRO_OPTIONS = "012"  # identity, MobileNetV2 block 3x3 with expansion 3, 5x5 with expansion 6
_MACRO_LAYERS = 8

Options = tuple[str, ...]  # one option name per gene; empty if the gene is inactive
Row = tuple[Options, Mapping[str, float]]


class TableSpace(GeneSpace):
    """The architectures of a table, which need not contain every combination of options.

    `scores` has the objectives of each row by key, including measured ones. A key is the option names of a
    row, joined without separator if all are single characters, otherwise with `-`. Raises ValueError if there
    are no rows or duplicate keys.
    """

    def __init__(self, name: str, rows: Sequence[Row]) -> None:
        if not rows:
            raise ValueError("no rows")
        self.name = name
        columns = [sorted(set(column)) for column in zip(*(options for options, _ in rows), strict=True)]
        self.genes = tuple(Gene(f"{_GENE}{i}", tuple(options)) for i, options in enumerate(columns))
        self.objectives = tuple(name for name in OBJECTIVES if name in rows[0][1])
        self._separator = "" if all(len(o) <= 1 for options in columns for o in options) else "-"
        self._rows: dict[Genes, Architecture] = {}
        self._parsed: dict[str, Architecture] = {}
        self.scores: dict[str, Mapping[str, float]] = {}
        for options, objectives in rows:
            genes = tuple(column.index(o) for column, o in zip(columns, options, strict=True))
            architecture = Architecture(genes, self.key(genes))
            if architecture.key in self.scores:
                raise ValueError(f"duplicate key {architecture.key!r}")
            self._rows[genes] = self._parsed[architecture.key] = architecture
            self.scores[architecture.key] = objectives

    def active(self, genes: Genes) -> tuple[bool, ...]:
        return tuple(gene.options[option] != "" for gene, option in zip(self.genes, genes, strict=True))

    def repair(self, genes: Sequence[int]) -> Genes:
        """The row with these option indices, or else the first of the rows that differ in the fewest."""
        genes = tuple(int(gene) for gene in genes)
        if genes in self._rows:
            return genes
        differing = (self._matrix != np.array(genes)).sum(axis=1)
        return tuple(self._matrix[differing.argmin()].tolist())

    def costs(self, architecture: Architecture) -> dict[str, float]:
        return {name: value for name, value in self.scores[architecture.key].items() if name in EXACT}

    def key(self, genes: Genes) -> str:
        names = (str(gene.options[option]) for gene, option in zip(self.genes, genes, strict=True))
        return self._separator.join(names)

    def parse(self, key: str) -> Architecture:
        if key not in self._parsed:
            raise ValueError(f"{key!r} is not a key of {self.name}; write it like {next(iter(self._parsed))}")
        return self._parsed[key]

    def smallest(self) -> Architecture:
        """The minimum of the sum of exact costs, each scaled to its range."""
        return self._architectures[int(self._scaled_costs.argmin())]

    def largest(self) -> Architecture:
        """The maximum of the sum of exact costs, each scaled to its range."""
        return self._architectures[int(self._scaled_costs.argmax())]

    def cheapest(self, objective: str) -> Architecture:
        return self._architectures[int(self._values(objective).argmin())]

    def bounds(self, objective: str) -> tuple[float, float]:
        """Minimum and maximum in the table, also of measured objectives."""
        return self._bounds[objective]

    @cached_property
    def _bounds(self) -> dict[str, tuple[float, float]]:
        columns = {name: self._values(name) for name in self.objectives}
        return {name: (float(values.min()), float(values.max())) for name, values in columns.items()}

    def check_limits(self, limits: Mapping[str, float]) -> None:
        """Raise UsageError if no row meets all limits on exact costs."""
        super().check_limits(limits)
        exact = {name: limit for name, limit in limits.items() if name in EXACT}
        within = np.ones(len(self.scores), dtype=bool)
        for name, limit in exact.items():
            within &= self._values(name) <= limit
        if not within.any():
            texts = [f"{name} ≤ {show(limit, OBJECTIVES[name].unit)}" for name, limit in exact.items()]
            raise UsageError(f"no network of {self.name} has {' and '.join(texts)}; raise one of them")

    def definition(self) -> dict[str, object]:
        return {"family": "table", "rows": {key: dict(row) for key, row in self.scores.items()}}

    def enumerate(self) -> Iterator[Architecture]:
        return iter(self._architectures)

    def count(self) -> Count:
        return Count(len(self.scores), exact=True)

    @cached_property
    def _architectures(self) -> tuple[Architecture, ...]:
        return tuple(self._rows.values())

    @cached_property
    def _matrix(self) -> np.ndarray:
        return np.array(list(self._rows))

    @cached_property
    def _scaled_costs(self) -> np.ndarray:
        total = np.zeros(len(self.scores))
        for name in self.objectives:
            if name in EXACT:
                values = self._values(name)
                total += (values - values.min()) / max(float(np.ptp(values)), 1e-12)
        return total

    def _values(self, objective: str) -> np.ndarray:
        return np.array([row[objective] for row in self.scores.values()], dtype=float)


def load(path: Path) -> TableSpace:
    """The space of a table file: CSV, or the JSON file of NAS-Bench-Macro.

    A CSV file has the columns `gene_0`, `gene_1`, … with option names, empty for inactive genes, then one
    column per objective: at least one exact cost, and either `error` as a fraction or the errors of several
    seeds in `error_0`, `error_1`, …, which are averaged. Raises UsageError with line and column if the file
    is not valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as failure:
        raise UsageError(f"{path}: cannot be read: {failure.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text; save it as CSV in UTF-8") from None
    rows = _macro(path, text) if path.suffix == ".json" else _csv(path, text)
    try:
        return TableSpace(path.stem, rows)
    except ValueError as failure:
        raise UsageError(f"{path}: {failure}; write one row per network") from None


def _macro(path: Path, text: str) -> list[Row]:
    """Su et al., "Prioritized architecture sampling with Monto-Carlo tree search", CVPR 2021."""
    try:
        content = json.loads(text)
        rows: list[Row] = [
            (
                tuple(key),
                {
                    "error": 1 - float(entry["mean_acc"]) / 100,
                    "flops": float(entry["flops"]),
                    "params": float(entry["params"]),
                },
            )
            for key, entry in content.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        raise UsageError(
            f"{path}: is not a NAS-Bench-Macro table ({type(failure).__name__}: {failure}), which has "
            "eight-digit keys with mean_acc, flops and params; save other tables as CSV"
        ) from None
    for options, _ in rows:
        if len(options) != _MACRO_LAYERS or not set(options) <= set(_MACRO_OPTIONS):
            raise UsageError(f"{path}: key {''.join(options)!r} must be eight digits of 0, 1 and 2")
    return rows


def _csv(path: Path, text: str) -> list[Row]:
    lines = csv.reader(text.splitlines())
    header = [name.strip() for name in next(lines, [])]
    genes = [name for name in header if name.startswith(_GENE)]
    objectives = header[len(genes) :]
    _check_header(path, header, genes, objectives)
    rows: list[Row] = []
    for cells in lines:
        if len(cells) != len(header):
            raise UsageError(
                f"{path}: line {lines.line_num}: has {len(cells)} cells for {len(header)} columns"
            )
        values = {
            name: _number(f"{path}: line {lines.line_num}, column {name}", name, cell)
            for name, cell in zip(objectives, cells[len(genes) :], strict=True)
        }
        seeds = [values.pop(name) for name in objectives if _SEED.fullmatch(name)]
        if seeds:
            values["error"] = fmean(seeds)
        rows.append((tuple(cell.strip() for cell in cells[: len(genes)]), values))
    return rows


def _check_header(path: Path, header: list[str], genes: list[str], objectives: list[str]) -> None:
    expected = [f"{_GENE}{i}" for i in range(len(genes))]
    if not genes or header[: len(genes)] != expected:
        raise UsageError(f"{path}: line 1: the first columns must be gene_0, gene_1, … in this order")
    seeds = [name for name in objectives if _SEED.fullmatch(name)]
    for name in objectives:
        if name not in OBJECTIVES and name not in seeds:
            raise UsageError(f"{path}: line 1: unknown column {name!r}; {suggestion(name, OBJECTIVES)}")
        if objectives.count(name) > 1:
            raise UsageError(f"{path}: line 1: duplicate column {name!r}; keep one")
    if "error" in objectives and seeds:
        raise UsageError(f"{path}: line 1: has both error and error_0, …; keep one of them")
    if not ("error" in objectives or seeds) or not set(objectives) & set(EXACT):
        raise UsageError(f"{path}: line 1: needs a column error, and at least one of {', '.join(EXACT)}")


def _number(where: str, objective: str, cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        raise UsageError(f"{where}: {cell!r} is not a number") from None
    if not isfinite(number) or number < 0:
        raise UsageError(f"{where}: {cell!r} must be finite and at least 0")
    if objective.startswith("error") and number > 1:
        raise UsageError(f"{where}: {cell!r} is more than 1; write errors as fractions, 5 % as 0.05")
    return number
