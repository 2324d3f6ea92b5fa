"""`python -m analysis`: the list, and what is stored of a measured study."""

import json
import re
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.shared import study as studies
from analysis.shared.command import measure, recorded_value
from analysis.shared.parts import Parts
from analysis.shared.result import Result

TINY = ["--explorers", "random", "--workers", "2", "--seed", "3"]


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    return ["--results", str(tmp_path / "results"), "--work", str(tmp_path / "work")]


def test_the_list_names_every_study_with_its_section_and_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--format", "json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["study"] for row in rows] == studies.names()
    assert all(row["section"] and row["minutes"] > 0 for row in rows)
    assert len({row["section"] for row in rows}) == len(rows)
    main([])
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(rows)


def test_an_unknown_study_is_refused_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["ablaton"])
    assert exit_.value.code == 2
    assert '"ablation"' in capsys.readouterr().err


def test_a_result_tells_machine_versions_and_options(folders: list[str]) -> None:
    result, file = measure("utilisation", [*TINY, "--note", "on a train", *folders])
    assert result.machine.keys() == {"processor", "cores", "threads"}
    assert {"python", "evo-bnas", "torch"} <= result.versions.keys()
    assert result.options == {"explorers": ["random"], "workers": [2], "seed": 3}
    assert result.command == "python -m analysis utilisation --explorers random --workers 2 --seed 3"
    assert result.note == "on a train"
    assert file.name == "utilisation.json"
    stored = Result.read("utilisation", file.parent)
    assert stored is not None
    assert stored.options == result.options
    assert stored.figures["searches"][0]["busy"] == pytest.approx(
        result.figures["searches"][0]["busy"], rel=1e-5
    )


def test_a_result_tells_no_path_of_this_machine(tmp_path: Path, folders: list[str]) -> None:
    table = tmp_path / "table.csv"
    table.write_text("gene_0,error,flops\na,0.1,3\nb,0.2,2\nc,0.3,1\n")
    words = ["--table", str(table), "--seeds", "1", "--evaluations", "3", "--variants", "default"]
    _, file = measure("ablation", [*words, *folders])
    assert "--table table.csv" in file.read_text()
    assert str(tmp_path) not in file.read_text()


@pytest.mark.parametrize(
    ("option", "recorded"),
    [("/data/cifar10", "cifar10"), ("data.path=/data/cifar10", "data.path=cifar10"), ("and/or", "and/or")],
)
def test_the_folders_of_an_absolute_path_are_not_recorded(option: str, recorded: str) -> None:
    assert recorded_value(option) == recorded
    assert recorded_value((option, 3)) == [recorded, 3]


def test_studies_and_shared_modules_import_no_study() -> None:
    folder = Path(studies.__file__).parents[1]
    for file in [*folder.glob("*.py"), *folder.glob("shared/*.py")]:
        imported = re.findall(r"^\s*from analysis\.(\w+)", file.read_text(), re.MULTILINE)
        assert set(imported) <= {"shared"}, file


def test_a_missing_result_is_none(tmp_path: Path) -> None:
    assert Result.read("utilisation", tmp_path) is None


def test_a_finished_part_is_not_computed_again(tmp_path: Path) -> None:
    computed = []

    def square(number: int) -> int:
        computed.append(number)
        return number**2

    assert Parts(tmp_path / "parts").get("three", square, 3) == 9
    again = Parts(tmp_path / "parts")
    assert again.get("three", square, 3) == 9
    assert again.get("four", square, 4) == 16
    assert computed == [3, 4]
    again.remove()
    assert not (tmp_path / "parts").exists()


def test_a_finished_study_leaves_no_parts(tmp_path: Path, folders: list[str]) -> None:
    measure("utilisation", [*TINY, *folders])
    assert list((tmp_path / "work").iterdir()) == []
