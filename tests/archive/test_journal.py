import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.archive.archive import WARM_START, Archive, Proposal
from evo_bnas.archive.journal import Journal, history, read
from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError
from evo_bnas.space.table import TableSpace

SPACE = TableSpace("eight", [((f"c{i}",), {"error": 0.5, "ops": float(i)}) for i in range(8)])
NETWORKS = list(SPACE.enumerate())  # their keys are c0, c1, …

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
        origin, predicted = draw(st.text(max_size=5)), draw(st.none() | finite)
        archive.add_proposal(Proposal(id, NETWORKS[id], origin, id, predicted))
    for id in draw(st.permutations(range(len(archive.proposals)))):
        if draw(st.booleans()):
            archive.add_score(id, draw(scores))
    return archive


def write(path: Path, archive: Archive) -> None:
    with Journal(path, SPACE) as journal:
        journal.add_proposals(archive.proposals)
        journal.add_scores(list(archive.scores.items()))


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


def without(row: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in row.items() if key != name}


@given(archive=archives())
def test_an_archive_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, archive: Archive
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    write(path, archive)
    again = read(path, SPACE)
    assert again.proposals == archive.proposals
    assert list(again.scores.items()) == list(archive.scores.items())
    assert again.frame().equals(archive.frame())


@given(archive=archives(), cut=st.floats(0, 1))
def test_a_file_cut_anywhere_is_read_up_to_its_last_complete_line_and_can_be_continued(
    tmp_path_factory: pytest.TempPathFactory, archive: Archive, cut: float
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    write(path, archive)
    whole = path.read_bytes()
    torn = whole[: int(cut * len(whole))]
    path.write_bytes(torn)
    complete = torn.rfind(b"\n") + 1
    with Journal(path, SPACE) as journal:
        assert len(journal.archive.proposals) + len(journal.archive.scores) == whole[:complete].count(b"\n")
        assert path.read_bytes() == torn, "opening alone changed the file"
        journal.add_proposals([Proposal(len(journal.archive.proposals), NETWORKS[7], "start", 0)])
    assert path.read_bytes().startswith(whole[:complete])
    assert read(path, SPACE).proposals[-1].key == "c7"


def test_pending_and_scored_proposals_are_in_order_of_proposal() -> None:
    archive = Archive()
    for id in range(5):
        archive.add_proposal(Proposal(id, NETWORKS[id], "start", 0))
    for id in (3, 0, 2):
        archive.add_score(id, Score("ok", {"error": 0.1}) if id else Score.failed("broke"))
    assert [proposal.id for proposal in archive.pending] == [1, 4]
    assert [proposal.id for proposal, _ in archive.scored] == [2, 3]
    assert archive.frame()["id"].tolist() == [0, 2, 3]
    assert archive.frame()["status"].tolist() == ["failed", "ok", "ok"]
    assert archive.frame()["error"].isna().tolist() == [True, False, False]
    assert archive.architectures == set(NETWORKS[:5])


def test_a_later_attempt_replaces_a_failure_and_arrives_later(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SPACE) as journal:
        journal.add_proposals([Proposal(id, NETWORKS[id], "start", 0) for id in range(3)])
        journal.add_scores([(0, Score.failed("broke", seconds=2.0)), (1, Score.failed("broke"))])
        assert [proposal.id for proposal in journal.archive.due(2)] == [2, 0, 1]
        journal.add_scores([(2, Score("ok", {"error": 0.1})), (0, Score("ok", {"error": 0.2}, seconds=1.0))])
    archive = read(path, SPACE)
    assert list(archive.scores) == [1, 2, 0]
    assert archive.attempts == {0: 2, 1: 1, 2: 1}
    assert archive.seconds == 3.0
    assert [proposal.id for proposal in archive.due(2)] == [1]
    assert archive.due(1) == []
    events = history(path, SPACE)
    assert events[:3] == archive.proposals
    assert [id for id, _ in events[3:]] == [0, 1, 2, 0]  # type: ignore[misc]


def test_an_archive_knows_how_many_evaluations_remain() -> None:
    archive = Archive()
    for id, origin in enumerate((WARM_START, "start", "start", "start")):
        archive.add_proposal(Proposal(id, NETWORKS[id], origin, 0))
    archive.add_score(0, Score("ok", {"error": 0.1}))
    archive.add_score(1, Score("ok", {"error": 0.1}))
    archive.add_score(2, Score.failed("broke"))
    assert archive.charged == 3
    assert archive.remaining(10, max_attempts=2) == 7 + 2  # one is pending, one can be retried
    assert archive.remaining(3, max_attempts=1) == 1


def test_an_earlier_archive_has_the_proposals_before_one_and_the_first_scores() -> None:
    archive = Archive()
    for id in range(4):
        archive.add_proposal(Proposal(id, NETWORKS[id], "start", 0))
        archive.add_score(id, Score("ok", {"error": id / 10}))
    earlier = archive.until(2, scores=4)
    assert earlier.proposals == archive.proposals[:2]
    assert list(earlier.scores) == [0, 1]
    assert list(archive.until(3, scores=1).scores) == [0]


@pytest.mark.parametrize(
    ("rows", "line", "complaint"),
    [
        ([proposed(0), "{not json", proposed(1)], 2, "JSON"),
        ([proposed(0), '"proposed"'], 2, "neither"),
        ([{"remembered": 1}], 1, "neither"),
        ([proposed(0, key="c99")], 1, "'c99'"),
        ([proposed(0), scored(1)], 2, "never proposed"),
        ([proposed(0), scored(-1)], 2, "never proposed"),
        ([proposed(0), scored(0), scored(0)], 3, "second score"),
        ([proposed(0), scored(0, status="failed"), scored(0)], 3, "attempt 1"),
        ([proposed(0), scored(0, attempt=2)], 2, "attempt 2"),
        ([proposed(0), proposed(2)], 2, "proposal 2"),
        ([proposed(0), proposed(1, key="c0")], 2, "c0 was proposed before"),
        ([proposed(0), scored(0, objectives={"error": float("nan")})], 2, "objectives.error"),
        ([proposed(0), scored(0, objectives={"error": "0.1"})], 2, "objectives.error"),
        ([proposed(0), scored(0, seconds=float("inf"))], 2, "seconds"),
        ([proposed(0), scored(0, status="lost")], 2, "status"),
        ([proposed(0), scored(0, extra=1)], 2, "extra"),
        ([proposed(0), without(scored(0), "protocol")], 2, "protocol"),
        ([proposed(0) | {"seen": "0"}], 1, "seen"),
        ([proposed(0) | {"scored": 0}], 1, "scored"),
        (["", proposed(0)], 1, "JSON"),
    ],
)
def test_a_damaged_line_is_refused_with_file_and_number(
    tmp_path: Path, rows: list[object], line: int, complaint: str
) -> None:
    path = journal_of(tmp_path / "journal.jsonl", *rows)
    before = path.read_bytes()
    for open_ in (read, Journal):
        with pytest.raises(UsageError) as failure:
            open_(path, SPACE)
        assert f"{path}: line {line}: " in str(failure.value)
        assert complaint in str(failure.value)
    assert path.read_bytes() == before


def test_nan_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SPACE) as journal:
        with pytest.raises(ValueError, match="predicted"):
            journal.add_proposals([Proposal(0, NETWORKS[0], "start", 0, predicted=float("nan"))])
        journal.add_proposals([Proposal(0, NETWORKS[0], "start", 0)])
        with pytest.raises(ValueError, match="error"):
            journal.add_scores([(0, Score("ok", {"error": float("nan")}))])
    assert path.read_text().count("\n") == 1


def test_reading_a_journal_that_is_being_written_shows_what_is_synced(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, SPACE) as journal:
        journal.add_proposals([Proposal(id, NETWORKS[id], "start", 0) for id in range(2)])
        assert len(read(path, SPACE).proposals) == 2
        journal.add_scores([(1, Score("ok", {"error": 0.5}))])
        assert [proposal.id for proposal in read(path, SPACE).pending] == [0]


def test_a_missing_journal_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with pytest.raises(UsageError) as failure:
        read(path, SPACE)
    assert str(path) in str(failure.value)
