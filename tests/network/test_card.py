"""Network cards: written and read."""

from pathlib import Path

import pytest

from evo_bnas.errors import UsageError
from evo_bnas.network.card import Card, DataCard, cost_values
from tests.support.refusals import refused
from tests.support.synthetic import TINY


def a_card() -> Card:
    blueprint = TINY.draw(TINY.largest())
    data = DataCard(
        name="digits",
        image=TINY.image,
        classes=tuple(map(str, range(10))),
        mean=(4.89,),
        std=(6.01,),
        white=16,
        skipped=0,
        fingerprint="fingerprint",
        images={"train": 1_079, "search": 359, "test": 359},
    )
    return Card(
        key=TINY.largest().key,
        space=TINY.name,
        test_error=0.1,
        test_errors=(0.1, 1 / 3),
        inherited_test_error=None,
        supernet_search_error=1e-5,
        weights="weights",
        recipe="recipe",
        retrain={"epochs": 20, "weight_decay": 5e-06, "max_grad_norm": None, "networks": "front"},
        seed=0,
        data=data,
        cost=cost_values(TINY.cost(TINY.largest())),
        blueprint=blueprint.to_rows(),
    )


def test_a_card_that_is_read_and_written_again_is_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "card.json"
    a_card().write(file)
    before = file.read_bytes()
    read = Card.read(file)
    assert read.test_errors == (0.1, 1 / 3)
    assert read.retrain["weight_decay"] == 5e-06
    read.write(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": 3}'])
def test_a_damaged_card_is_refused_with_the_way_out(content: str, tmp_path: Path) -> None:
    file = tmp_path / "card.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=f"delete {file}"):
        Card.read(file)


def test_a_missing_card_is_refused(tmp_path: Path) -> None:
    with refused(UsageError, str(tmp_path / "card.json")):
        Card.read(tmp_path / "card.json")
