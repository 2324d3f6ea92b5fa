"""Final trainings: how many networks, with how many seeds, and the table of what they reach."""

import shutil
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evo_bnas.files import weights_file
from evo_bnas.network.card import Card
from evo_bnas.progress import Progress
from evo_bnas.run.folder import Run
from evo_bnas.run.network_training import NetworkTraining
from evo_bnas.run.results import Results
from evo_bnas.run.retrain import retrain
from evo_bnas.run.start import start
from evo_bnas.run.trained import trained_networks
from evo_bnas.supernet.supernet import Supernet, save_supernet
from tests.support.made_up_scores import networks, write_journal
from tests.support.short_runs import SHORT

pytestmark = pytest.mark.slow

SMALL = (*SHORT, "space=tiny-8", "pick.limits={}")
ERRORS = [0.8, 0.6, 0.5, 0.4, 0.2]  # the more ops, the lower: all are on the front


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with made-up scores and the initial weights of a supernet."""
    run = start("digits", tmp_path_factory.mktemp("searched") / "run", SMALL)
    save_supernet(Supernet(run.space), run.supernet_file)
    by_ops = sorted(networks(run, len(ERRORS)), key=lambda one: run.space.costs(one)["ops"])
    write_journal(run.journal_file, run, by_ops, ERRORS)
    return run.folder


@pytest.fixture(scope="module")
def seeds(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with one network, trained with two seeds."""
    folder = shutil.copytree(searched, tmp_path_factory.mktemp("seeds") / "run")
    retrain(resumed(folder, "retrain.seeds=2"))
    return folder


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes the name of every training."""
    names: list[str] = []
    train: Callable[..., Any] = NetworkTraining.train

    def noted(training: NetworkTraining, network: object, name: str, *arguments: Any) -> Any:
        names.append(name)
        return train(training, network, name, *arguments)

    monkeypatch.setattr(NetworkTraining, "train", noted)
    return names


def resumed(folder: Path, *changes: str) -> Run:
    return start("digits", folder, [*SMALL, *changes])


def test_several_networks_are_picks_for_smaller_budgets(
    searched: Path, tmp_path: Path, trained: list[str]
) -> None:
    run = resumed(shutil.copytree(searched, tmp_path / "run"), "retrain.networks=2")
    results = Results.of(run)
    done = retrain(run)
    keys = [card.key for card in done.cards]
    rows = results.frame.set_index("key")
    assert keys == results.to_retrain() == trained
    assert keys[0] == results.pick().key
    assert keys[1] == rows["ops"].idxmin()
    # The front has these and more; only the others are trained.
    front = retrain(resumed(run.folder, "retrain.networks=front"))
    assert len(front.cards) == len(ERRORS)
    assert sorted(trained) == sorted(card.key for card in front.cards)
    assert list(front.trained["ops"]) == sorted(front.trained["ops"])
    # With fewer again nothing is trained, and the table keeps all.
    again = retrain(resumed(run.folder, "retrain.networks=1"))
    assert [card.key for card in again.cards] == keys[:1]
    assert again.trained.equals(front.trained)
    assert len(trained) == len(front.cards)


def test_the_table_of_trained_networks_has_their_errors_with_intervals(seeds: Path) -> None:
    run = Run.open(seeds)
    (row,) = pd.read_csv(run.trained_csv).to_dict("records")
    assert row == pytest.approx(trained_networks(run).to_dict("records")[0])
    card = Card.read(run.pick_folder(row["key"]) / "card.json")
    error, images = row["test_error"], row["test_images"]
    assert error == pytest.approx(sum(card.test_errors) / 2)
    assert images == run.environment.images["test"] == 359
    assert (row["seeds"], row["seed_low"], row["seed_high"]) == (
        2,
        min(card.test_errors),
        max(card.test_errors),
    )
    # Wilson, "Probable inference", 1927: the errors p for which |error - p| is 1.96 deviations of p.
    wrong = round(error * images) / images
    for end in (row["low"], row["high"]):
        assert abs(wrong - end) / sqrt(end * (1 - end) / images) == pytest.approx(1.96, abs=1e-3)
    assert row["low"] < error < row["high"]
    results = Results.of(run).frame.set_index("key").loc[row["key"]]
    assert row["search_error"] == results["error"]
    assert (row["ops"], row["size_bits"]) == (results["ops"], results["size_bits"])
    assert row["inherited_test_error"] == card.inherited_test_error


def test_the_weights_are_those_of_the_first_seed(seeds: Path, searched: Path, tmp_path: Path) -> None:
    one = resumed(shutil.copytree(searched, tmp_path / "one"))
    (single,) = retrain(one).cards
    several = Card.read(Run.open(seeds).pick_folder(single.key) / "card.json")
    assert several.test_errors[0] == several.test_error == single.test_error
    assert len(several.test_errors) == 2
    assert several.weights == single.weights
    # With more seeds later, the earlier trainings are kept, and the result is that of all seeds at once.
    retrain(resumed(one.folder, "retrain.seeds=2"))
    later = Card.read(one.pick_folder(single.key) / "card.json")
    assert later.test_errors == several.test_errors
    assert later.weights == weights_file.fingerprint(one.pick_folder(single.key) / "network.safetensors")


def test_more_seeds_train_only_what_is_missing(seeds: Path, tmp_path: Path, trained: list[str]) -> None:
    folder = shutil.copytree(seeds, tmp_path / "run")
    reported: list[Progress] = []
    retrain(resumed(folder, "retrain.seeds=2"), reported.append)
    assert (trained, reported) == ([], [])
    (card,) = retrain(resumed(folder, "retrain.seeds=3"), reported.append).cards
    (name,) = trained
    assert name != card.key
    assert len(card.test_errors) == 3
    assert {step.stage for step in reported} == {f"retrain, {name}"}
    assert not list((folder / "checkpoint").iterdir())


def test_given_networks_are_trained_without_a_search(searched: Path, tmp_path: Path) -> None:
    run = resumed(shutil.copytree(searched, tmp_path / "run"))
    run.journal_file.unlink()
    key = run.space.smallest().key
    (card,) = retrain(run, keys=[key]).cards
    assert card.key == key
    assert card.supernet_search_error is None
    assert trained_networks(run)["search_error"].isna().all()
    assert not run.front_csv.exists()


def test_a_run_without_trained_networks_has_an_empty_table(searched: Path) -> None:
    table = trained_networks(Run.open(searched))
    assert table.empty
    assert {"key", "ops", "test_error", "low", "high", "seeds"} <= set(table.columns)
