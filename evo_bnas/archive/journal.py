"""The journal of a search: its archive as an append-only file of JSON lines.

There are two kinds of rows. `proposed` is synced to disk before an engine gets the architecture, `scored`
before the score is used. So a kill at any moment loses no score, and the journal tells what was in flight.
"""

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, FiniteFloat, Tag, TypeAdapter, ValidationError

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import sync_folder
from evo_bnas.space.genes import GeneSpace

Event = Proposal | tuple[int, Score]  # a proposal, or the score of the proposal with this id


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Proposed(_Row):
    proposed: int  # id
    key: str
    origin: str
    seen: int
    predicted: FiniteFloat | None


class _Scored(_Row):
    scored: int  # id of the proposal
    attempt: int  # 1, 2, …
    status: Literal["ok", "failed"]
    objectives: dict[str, FiniteFloat | int]
    correct: str
    weights: str
    protocol: str
    seconds: FiniteFloat
    reason: str


def _kind(row: Any) -> str | None:
    """The tag of a row: the name of its id."""
    if not isinstance(row, dict):
        return None
    return next((name for name in ("proposed", "scored") if name in row), None)


_ROW: TypeAdapter[_Proposed | _Scored] = TypeAdapter(
    Annotated[Annotated[_Proposed, Tag("proposed")] | Annotated[_Scored, Tag("scored")], Discriminator(_kind)]
)
_SCORE = tuple(field.name for field in fields(Score))  # fields of a `scored` row


class Journal:
    """Writes a journal file; `archive` holds what is in the file.

    Only one process may write: the caller locks. Raises UsageError if the file is damaged.
    """

    def __init__(self, path: Path, space: GeneSpace) -> None:
        exists = path.exists()
        self.archive = read(path, space) if exists else Archive()
        self._file = open(path, "a+b")  # noqa: SIM115  closed by `close`
        if not exists:
            sync_folder(path.parent)

    def add_proposals(self, proposals: Sequence[Proposal]) -> None:
        """Append proposals and sync; after this an engine may get them. Raises ValueError for NaN."""
        rows = [
            _Proposed(proposed=p.id, key=p.key, origin=p.origin, seen=p.seen, predicted=p.predicted)
            for p in proposals
        ]
        for proposal in proposals:
            self.archive.add_proposal(proposal)
        self._append(rows)

    def add_scores(self, scores: Sequence[tuple[int, Score]]) -> None:
        """Append scores by id and sync; after this they may be used. Raises ValueError for NaN."""
        rows = [
            _Scored(scored=id, attempt=self.archive.attempts.get(id, 0) + 1, **_values(score))
            for id, score in scores
        ]
        for id, score in scores:
            self.archive.add_score(id, score)
        self._append(rows)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, rows: Sequence[_Row]) -> None:
        self._cut_torn_line()
        self._file.write("".join(f"{row.model_dump_json()}\n" for row in rows).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _cut_torn_line(self) -> None:
        """Drop what follows the last newline: part of a row whose sync a kill prevented."""
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(end - 1, 0))
        if self._file.read() not in (b"", b"\n"):
            self._file.seek(0)
            self._file.truncate(self._file.read().rfind(b"\n") + 1)


def read(path: Path, space: GeneSpace) -> Archive:
    """The archive in a journal file of a search in a space.

    It neither locks nor writes, so it may be called while a search runs; an unfinished last line is ignored.
    Raises UsageError if the file cannot be read, or, with its number, if a line is damaged, has a key that
    is not of the space, or contradicts an earlier line.
    """
    return _read(path, space)[0]


def history(path: Path, space: GeneSpace) -> list[Event]:
    """The events of a journal file in their order; raises UsageError as `read` does."""
    return _read(path, space)[1]


def _read(path: Path, space: GeneSpace) -> tuple[Archive, list[Event]]:
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except OSError as failure:
        raise UsageError(f"{path}: cannot be read: {failure.strerror}") from None
    archive = Archive()
    events = []
    for number, line in enumerate(lines, 1):
        try:
            events.append(_add(archive, line, space))
        except ValueError as failure:
            raise UsageError(
                f"{path}: line {number}: {_explain(failure)}; restore the file from a copy, or delete this "
                "line and all lines after it to resume from there"
            ) from None
    return archive, events


def _add(archive: Archive, line: bytes, space: GeneSpace) -> Event:
    """Add a row to an archive; raises ValueError if it is damaged or does not fit."""
    row = _ROW.validate_json(line)
    if isinstance(row, _Proposed):
        proposal = Proposal(row.proposed, space.parse(row.key), row.origin, row.seen, row.predicted)
        archive.add_proposal(proposal)
        return proposal
    score = Score(**{name: getattr(row, name) for name in _SCORE})
    archive.add_score(row.scored, score)
    if row.attempt != archive.attempts[row.scored]:
        raise ValueError(f"attempt {row.attempt} is out of order; the next is {archive.attempts[row.scored]}")
    return row.scored, score


def _values(score: Score) -> dict[str, Any]:
    return {name: getattr(score, name) for name in _SCORE} | {"objectives": dict(score.objectives)}


def _explain(failure: ValueError) -> str:
    if not isinstance(failure, ValidationError):
        return str(failure)
    first = failure.errors()[0]
    if first["type"] == "json_invalid":
        return "not JSON"
    if not first["loc"]:
        return "neither a `proposed` nor a `scored` row"
    _, *where = first["loc"]  # after the kind of the row
    return f"{'.'.join(map(str, where))}: {first['msg'][0].lower()}{first['msg'][1:]}"
