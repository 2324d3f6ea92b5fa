"""What is printed about spaces: it fits a terminal and is complete."""

import re
from itertools import product
from math import prod

import pytest

from evo_bnas.cli.output.space import count_text, folded, print_genes, print_spaces, space_row
from evo_bnas.quantity import brief
from evo_bnas.space.genes import Gene, Space
from tests.support.strategies import SPACES

every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)

COLUMNS = 100


def test_the_list_of_spaces_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_spaces(list(SPACES.values()))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert [line.split()[0] for line in lines[2 : 2 + len(SPACES)]] == list(SPACES)


@every_space
def test_merged_lines_cover_every_gene(space: Space) -> None:
    lines = folded(space.genes)
    found = []
    for places in lines:
        for numbers in product(*places.numbers):
            texts = iter(numbers)
            found.append(re.sub("#", lambda _, texts=texts: next(texts), places.name))
    expected = dict.fromkeys(gene.name.rpartition(".")[0] or gene.name for gene in space.genes)
    assert sorted(found) == sorted(expected)
    fields = sum(len(places.choices.split("; ")) * prod(map(len, places.numbers)) for places in lines)
    assert fields == len(space.genes)


@every_space
def test_the_choices_of_a_space_fit_a_screen(space: Space, capsys: pytest.CaptureFixture[str]) -> None:
    print_genes(space)
    output = capsys.readouterr().out
    assert len(output.splitlines()) <= 24
    assert space.smallest().key in output
    assert space.largest().key in output


def test_constraints_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_genes(SPACES["elastic-mobile-224"])
    output = capsys.readouterr().out
    assert "constraints  nondecreasing: channels" in output
    assert re.search(r"stage4.block1–9 +channels 384, 512, 768; kernel 3, 5; groups 4, 8", output)


@pytest.mark.parametrize(
    ("names", "where"),
    [
        (("stage2.k", "stage3.k", "stage4.k"), "stage2–4"),
        (("stage1.k", "stage3.k"), "stage1,3"),
        (("edge01", "edge02"), "edge01,02"),
        (("stage1.block1.k", "stage1.block2.k", "stage2.block1.k", "stage2.block2.k"), "stage1–2.block1–2"),
    ],
)
def test_consecutive_numbers_are_shown_as_a_range(names: tuple[str, ...], where: str) -> None:
    (places,) = folded([Gene(name, (1, 2)) for name in names])
    assert places.where == where


def test_the_number_of_architectures_is_readable() -> None:
    assert count_text(SPACES["elastic-8"]) == "1,905,120"
    assert re.fullmatch(r"\d\.\de17", count_text(SPACES["elastic-mobile-224"]))


def test_medians_are_reproducible() -> None:
    space = SPACES["elastic-8"]
    assert space_row(space) == space_row(space)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999.4, "999"),
        (999.6, "1k"),
        (87_126_016, "87.1M"),
        (3.3e10, "33G"),
        (0.25, "0.25"),
    ],
)
def test_a_brief_number_has_three_digits(value: float, text: str) -> None:
    assert brief(value) == text
