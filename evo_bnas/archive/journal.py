"""The archive of a search in an append-only file of JSON lines, which is its only truth.

Two kinds of rows. `proposed` is synced to the disk before an engine gets the architecture, `scored` before
anybody uses the score: whenever a search is killed, no score is lost, and what was under way is known.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import sync_folder

__all__ = ["Archive", "Journal", "Proposal", "history", "read"]


class Answer(NamedTuple):
    """The score of a proposal as it came."""

    id: int
    score: Score


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Proposed(_Row):
    proposed: int
    key: str
    origin: str
    seen: int
    predicted: FiniteFloat | None


class _Scored(_Row):
    scored: int
    status: Literal["ok", "failed"]
    attempt: int
    objectives: dict[str, FiniteFloat | int]
    correct: str
    weights: str
    protocol: str
    seconds: FiniteFloat
    reason: str


class Journal:
    """The one writer of a journal file; `archive` is what stands in the file.

    Whoever opens it sees to it that nobody else writes. Raises UsageError where the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        known = path.exists()
        self.archive = read(path) if known else Archive()
        self._file = open(path, "a+b")  # noqa: SIM115  closed by `close`
        if not known:
            sync_folder(path.parent)

    def propose(self, proposals: Sequence[Proposal]) -> None:
        """Append proposals and sync; only then may an engine get them. Raises ValueError for NaN."""
        lines = [_proposed_line(proposal) for proposal in proposals]
        for proposal in proposals:
            self.archive.propose(proposal)
        self._append(lines)

    def answer(self, scores: Sequence[tuple[int, Score]]) -> None:
        """Append scores by id and sync; only then may anybody use them. Raises ValueError for NaN."""
        lines = [_scored_line(id, self.archive.attempts.get(id, 0) + 1, score) for id, score in scores]
        for id, score in scores:
            self.archive.answer(id, score)
        self._append(lines)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, lines: Sequence[str]) -> None:
        self._cut_stump()
        self._file.write("".join(lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _cut_stump(self) -> None:
        """Drop what follows the last newline: a row that was never synced, so never relied upon."""
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(end - 1, 0))
        if self._file.read() not in (b"", b"\n"):
            self._file.seek(0)
            self._file.truncate(self._file.read().rfind(b"\n") + 1)


def read(path: Path) -> Archive:
    """The archive in a journal file; neither locks nor writes, so it may be called while a search runs.

    An unfinished last line is passed over. Raises UsageError where the file cannot be read, and with its
    number for a line that is damaged or does not fit what stands before it.
    """
    return _read(path)[0]


def history(path: Path) -> list[Proposal | Answer]:
    """What a journal file tells, in its order; raises UsageError as `read`."""
    return _read(path)[1]


def _read(path: Path) -> tuple[Archive, list[Proposal | Answer]]:
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except OSError as failure:
        raise UsageError(f"{path}: cannot be read: {failure.strerror}") from None
    archive = Archive()
    events = []
    for number, line in enumerate(lines, 1):
        try:
            events.append(_take(archive, line))
        except ValueError as failure:
            raise UsageError(
                f"{path}: line {number}: {_explain(failure)}; restore the file from a copy, or delete this "
                "line and all that follow to continue from there"
            ) from None
    return archive, events


def _take(archive: Archive, line: bytes) -> Proposal | Answer:
    """Add what a line says to an archive; raises ValueError where it is damaged or does not fit."""
    content = json.loads(line)
    if isinstance(content, dict) and "proposed" in content:
        proposed = _Proposed.model_validate(content)
        proposal = Proposal(proposed.proposed, **proposed.model_dump(exclude={"proposed"}))
        archive.propose(proposal)
        return proposal
    if isinstance(content, dict) and "scored" in content:
        scored = _Scored.model_validate(content)
        answer = Answer(scored.scored, Score(**scored.model_dump(exclude={"scored", "attempt"})))
        archive.answer(*answer)
        if scored.attempt != archive.attempts[answer.id]:
            raise ValueError(f"attempt {scored.attempt} stands where {archive.attempts[answer.id]} is due")
        return answer
    raise ValueError("is neither a `proposed` nor a `scored` row")


def _proposed_line(proposal: Proposal) -> str:
    return _line(
        {
            "proposed": proposal.id,
            "key": proposal.key,
            "origin": proposal.origin,
            "seen": proposal.seen,
            "predicted": proposal.predicted,
        }
    )


def _scored_line(id: int, attempt: int, score: Score) -> str:
    return _line(
        {
            "scored": id,
            "status": score.status,
            "attempt": attempt,
            "objectives": dict(score.objectives),
            "correct": score.correct,
            "weights": score.weights,
            "protocol": score.protocol,
            "seconds": score.seconds,
            "reason": score.reason,
        }
    )


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _explain(failure: ValueError) -> str:
    if isinstance(failure, ValidationError):
        first = failure.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg'][0].lower()}{first['msg'][1:]}"
    if isinstance(failure, json.JSONDecodeError | UnicodeDecodeError):
        return "is no JSON"
    return str(failure)
