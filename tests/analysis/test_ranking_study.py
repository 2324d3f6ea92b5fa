"""The study of supernets: what it prints follows from what stands in its folder."""

import json
from pathlib import Path

import pytest

from analysis import fidelity


@pytest.mark.slow
def test_the_study_prints_what_it_found_and_trains_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--seeds", "1", "--ways", "1", "--seconds", "0.1", "--folder", str(tmp_path), "--format", "json"]
    fidelity.main(asked)
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert len(files) == 1
    fidelity.main(asked)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")} == files
    names = [row["name"] for row in first["rows"]]
    assert names == ["uniform (default)", *(f"calibrated on {n} images" for n in fidelity.CALIBRATIONS)]
    assert all(-1 <= row["tau"] <= 1 for row in first["rows"])
