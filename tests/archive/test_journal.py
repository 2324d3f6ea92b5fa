import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.archive.journal import Archive, Journal, Proposal, history, read
from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError

finite = st.floats(allow_nan=False, allow_infinity=False)
scores = st.one_of(
    st.builds(
        Score,
        st.just("ok"),
        st.fixed_dictionaries({"error": finite, "ops": st.integers(0, 10**12) | finite}),
        correct=st.sampled_from(["", "a0ff"]),
        seconds=finite,
        weights=st.text(max_size=5),
        protocol=st.text(max_size=5),
    ),
    st.builds(Score.failed, st.text(), finite),
)


@st.composite
def archives(draw: st.DrawFn) -> Archive:
    archive = Archive()
    for id in range(draw(st.integers(0, 6))):
        archive.propose(Proposal(id, f"c{id}", draw(st.text(max_size=5)), id, draw(st.none() | finite)))
    for id in draw(st.permutations(range(len(archive.proposals)))):
        if draw(st.booleans()):
            archive.answer(id, draw(scores))
    return archive


def write(path: Path, archive: Archive) -> None:
    with Journal(path) as journal:
        journal.propose(archive.proposals)
        journal.answer(list(archive.scores.items()))


def journal_of(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def proposed(id: int, key: str = "") -> dict[str, object]:
    return {"proposed": id, "key": key or f"c{id}", "origin": "start", "seen": 0, "predicted": None}


def scored(id: int, **changes: object) -> dict[str, object]:
    return {
        "scored": id,
        "status": "ok",
        "attempt": 1,
        "objectives": {"error": 0.1, "ops": 100},
        "correct": "",
        "weights": "",
        "protocol": "",
        "seconds": 0.1,
        "reason": "",
    } | changes


@given(archive=archives())
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    write(path, archive)
    again = read(path)
    assert again.proposals == archive.proposals
    assert list(again.scores.items()) == list(archive.scores.items())
    assert again.frame().equals(archive.frame())


@given(archive=archives(), cut=st.floats(0, 1))
def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_line_and_can_be_continued(
    tmp_path_factory: pytest.TempPathFactory, archive: Archive, cut: float
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    write(path, archive)
    whole = path.read_bytes()
    stump = whole[: int(cut * len(whole))]
    path.write_bytes(stump)
    kept = stump.rfind(b"\n") + 1
    with Journal(path) as journal:
        assert len(journal.archive.proposals) + len(journal.archive.scores) == whole[:kept].count(b"\n")
        assert path.read_bytes() == stump, "opening alone changed the file"
        journal.propose([Proposal(len(journal.archive.proposals), "new", "start", 0)])
    assert path.read_bytes().startswith(whole[:kept])
    assert read(path).proposals[-1].key == "new"


def test_pending_and_scored_stand_in_order_of_proposal() -> None:
    archive = Archive()
    for id in range(5):
        archive.propose(Proposal(id, f"c{id}", "start", 0))
    for id in (3, 0, 2):
        archive.answer(id, Score("ok", {"error": 0.1}) if id else Score.failed("broke"))
    assert [proposal.id for proposal in archive.pending] == [1, 4]
    assert [proposal.id for proposal, _ in archive.scored] == [2, 3]
    assert archive.frame()["id"].tolist() == [0, 2, 3]
    assert archive.frame()["status"].tolist() == ["failed", "ok", "ok"]
    assert archive.frame()["error"].isna().tolist() == [True, False, False]
    assert archive.keys == {"c0", "c1", "c2", "c3", "c4"}


def test_a_later_attempt_replaces_a_failure_and_arrives_later(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.propose([Proposal(id, f"c{id}", "start", 0) for id in range(3)])
        journal.answer([(0, Score.failed("broke", seconds=2.0)), (1, Score.failed("broke"))])
        assert [proposal.id for proposal in journal.archive.due(2)] == [2, 0, 1]
        journal.answer([(2, Score("ok", {"error": 0.1})), (0, Score("ok", {"error": 0.2}, seconds=1.0))])
    archive = read(path)
    assert list(archive.scores) == [1, 2, 0]
    assert archive.attempts == {0: 2, 1: 1, 2: 1}
    assert archive.seconds == 3.0
    assert [proposal.id for proposal in archive.due(2)] == [1]
    assert archive.due(1) == []
    assert [type(event).__name__ for event in history(path)] == ["Proposal"] * 3 + ["Answer"] * 4


def test_the_archive_before_a_proposal_holds_what_came_before_it() -> None:
    archive = Archive()
    for id in range(4):
        archive.propose(Proposal(id, f"c{id}", "start", 0))
        archive.answer(id, Score("ok", {"error": id / 10}))
    earlier = archive.before(2)
    assert earlier.proposals == archive.proposals[:2]
    assert list(earlier.scores) == [0, 1]


@pytest.mark.parametrize(
    ("rows", "line", "complaint"),
    [
        ([proposed(0), "{not json", proposed(1)], 2, "is no JSON"),
        ([proposed(0), '"proposed"'], 2, "is neither"),
        ([{"remembered": 1}], 1, "is neither"),
        ([proposed(0), scored(1)], 2, "never proposed"),
        ([proposed(0), scored(-1)], 2, "never proposed"),
        ([proposed(0), scored(0), scored(0)], 3, "second score"),
        ([proposed(0), scored(0, status="failed"), scored(0)], 3, "attempt 1 stands where 2 is due"),
        ([proposed(0), scored(0, attempt=2)], 2, "attempt 2 stands where 1 is due"),
        ([proposed(0), proposed(2)], 2, "1 is due"),
        ([proposed(0), proposed(1, key="c0")], 2, "was proposed before"),
        ([proposed(0), scored(0, objectives={"error": float("nan")})], 2, "finite"),
        ([proposed(0), scored(0, seconds=float("inf"))], 2, "finite"),
        ([proposed(0), scored(0, status="lost")], 2, "status"),
        ([proposed(0), scored(0, extra=1)], 2, "extra"),
        ([proposed(0) | {"seen": "0"}], 1, "seen"),
        (["", proposed(0)], 1, "is no JSON"),
    ],
)
def test_a_damaged_line_is_refused_with_file_and_number(
    tmp_path: Path, rows: list[object], line: int, complaint: str
) -> None:
    path = journal_of(tmp_path / "journal.jsonl", *rows)
    before = path.read_bytes()
    for attempt in (read, Journal):
        with pytest.raises(UsageError) as failure:
            attempt(path)
        assert f"{path}: line {line}: " in str(failure.value)
        assert complaint in str(failure.value)
    assert path.read_bytes() == before


def test_nan_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        with pytest.raises(ValueError, match="JSON"):
            journal.propose([Proposal(0, "c0", "start", 0, predicted=float("nan"))])
        journal.propose([Proposal(0, "c0", "start", 0)])
        with pytest.raises(ValueError, match="JSON"):
            journal.answer([(0, Score("ok", {"error": float("nan")}))])
    assert path.read_text().count("\n") == 1


def test_reading_a_journal_that_is_being_written_shows_what_is_synced(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.propose([Proposal(0, "c0", "start", 0), Proposal(1, "c1", "start", 0)])
        assert len(read(path).proposals) == 2
        journal.answer([(1, Score("ok", {"error": 0.5}))])
        assert [proposal.id for proposal in read(path).pending] == [0]


def test_a_missing_journal_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read(tmp_path / "journal.jsonl")
