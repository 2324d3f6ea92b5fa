from pathlib import Path

import pytest

from evo_bnas.archive.archive import WARM_START, Archive, Proposal
from evo_bnas.archive.journal import Journal, read
from evo_bnas.archive.score import Score
from evo_bnas.evaluate.engine import InProcess
from evo_bnas.search import EXPLORERS
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.search.replay import replay
from evo_bnas.search.warm_start import divide, record
from tests.support.synthetic import ELASTIC, OBJECTIVES, POPULATION, Synthetic, run

PROBLEM = Problem(ELASTIC, OBJECTIVES)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    path = tmp_path_factory.mktemp("earlier") / "journal.jsonl"
    return run(path, PROBLEM, evaluations=30, seed=9, fail_one_in=9)


def warm(path: Path, earlier: Archive, evaluations: int = 24) -> list[str]:
    """Run a search with a warm start; returns the keys that it evaluated."""
    evaluated = []

    class Recorded(InProcess):
        def submit(self, id: int, architecture: object) -> None:
            evaluated.append(str(architecture))
            super().submit(id, architecture)  # type: ignore[arg-type]

    valid, _ = divide([earlier], "w", "p")
    with Journal(path, ELASTIC) as journal:
        record(journal, valid)
        explorer = EXPLORERS["nsga2"](PROBLEM, POPULATION)
        engine = Recorded(Synthetic(ELASTIC))
        search(PROBLEM, explorer, engine, journal, evaluations=evaluations, batch=8, seed=0)
    return evaluated


def test_scores_of_equal_weights_and_protocol_are_copied_and_not_charged(
    tmp_path: Path, earlier: Archive
) -> None:
    path = tmp_path / "journal.jsonl"
    evaluated = warm(path, earlier)
    archive = read(path, ELASTIC)
    copied = [proposal for proposal in archive.proposals if proposal.origin == WARM_START]
    assert [proposal.key for proposal in copied] == [proposal.key for proposal, _ in earlier.scored]
    assert len(copied) < 30, "failed evaluations were copied"
    assert len(evaluated) == len(archive.proposals) - len(copied) == archive.charged == 24
    assert not {proposal.key for proposal in copied} & set(evaluated)
    assert archive.seconds == 12.0
    assert {proposal.origin for proposal in archive.proposals[len(copied) :]} == {"mating"}
    assert replay(EXPLORERS["nsga2"](PROBLEM, POPULATION), path, ELASTIC, seed=0) == 24


def test_a_warm_search_resumed_from_any_prefix_of_its_journal_writes_the_same_journal(
    tmp_path: Path, earlier: Archive
) -> None:
    warm(tmp_path / "straight.jsonl", earlier)
    expected = (tmp_path / "straight.jsonl").read_bytes()
    for share in (0.0, 0.1, 0.25, 0.4, 0.55, 0.8, 0.97):
        path = tmp_path / "journal.jsonl"
        path.write_bytes(expected[: int(share * len(expected))])
        warm(path, earlier)
        assert path.read_bytes() == expected


def test_scores_of_other_weights_or_protocol_only_train_surrogates(earlier: Archive) -> None:
    for weights, protocol in (("other", "p"), ("w", "other")):
        valid, prior = divide([earlier, earlier], weights, protocol)
        assert valid == {}
        assert [p.key for p, _ in prior.scored] == [p.key for p, _ in earlier.scored]
    assert Problem(ELASTIC, OBJECTIVES, prior=prior) == PROBLEM


def test_the_first_of_several_scores_of_a_network_is_used() -> None:
    archives = []
    for error in (0.1, 0.2):
        archive = Archive()
        archive.add_proposal(Proposal(0, ELASTIC.smallest(), "start", 0))
        archive.add_score(0, Score("ok", {"error": error}, weights="w", protocol="p"))
        archives.append(archive)
    valid, _ = divide(archives, "w", "p")
    assert valid[ELASTIC.smallest()].objectives["error"] == 0.1


def test_a_search_with_own_proposals_copies_no_scores(tmp_path: Path, earlier: Archive) -> None:
    path = tmp_path / "journal.jsonl"
    run(path, PROBLEM, evaluations=8)
    before = path.read_bytes()
    with Journal(path, ELASTIC) as journal:
        record(journal, divide([earlier], "w", "p")[0])
    assert path.read_bytes() == before
