"""Wrong use ends with exit code 2, a message of one or two lines that names the way out, and no file."""

from pathlib import Path

import pytest

from tests.support.commands import evo_bnas, invoke


@pytest.mark.parametrize(
    ("content", "key", "way_out"),
    [
        ("search: {evaluatons: 5}", "search.evaluatons", 'did you mean "evaluations"?'),
        ("search: {evaluations: many}", "search.evaluations", "20k"),
        ("search: {evaluations: 20q}", "'20q'", "k, M"),
        ("space: elastic-9", "elastic-9", 'did you mean "elastic-8"?'),
        ("search: {explorer: nsga3}", "search.explorer", 'did you mean "nsga2"?'),
        ("search: {objectives: [eror, ops]}", "search.objectives.1", 'did you mean "error"?'),
        ("data: {name: digit}", "data.name", 'did you mean "digits"?'),
        ("pick: {limits: {ops: 1}}", "ops ≤ 1", "6,208"),
        ("search: {limits: {ops: 1}}", "ops ≤ 1", "6,208"),
        ("search: [unclosed", "x.yaml", "YAML"),
        ("seed: !!python/object/apply:os.system ['touch hacked']", "x.yaml", "use plain values"),
        ("engine: {workers: 0}", "engine.workers", "1"),
    ],
)
def test_a_bad_recipe_is_refused(
    content: str, key: str, way_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = {"data": "data: {name: digits}", "space": "space: elastic-8"}
    kept = [line for name, line in base.items() if not content.startswith(name)]
    Path("x.yaml").write_text("\n".join([*kept, content]))
    refused = invoke("run", "x.yaml")
    assert refused.exit_code == 2, refused.output
    assert key in refused.stderr
    assert way_out in refused.stderr
    assert len(refused.stderr.splitlines()) <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (["front", "nowhere"], "nowhere"),
        (["cost", "elastic-8", "c8-oops"], "c8-oops"),
        (["cost", "elastic-8", "smallest", "--profile", "mine"], "choose from default, nas-bnn"),
        (["spaces", "elastik-8"], 'did you mean "elastic-8"?'),
        (["run", "digit"], 'did you mean "digits"?'),
        (["run", "digits", "--set", "search.evaluations"], "search.evaluations=50"),
    ],
)
def test_a_wrong_argument_is_refused(
    words: list[str], way_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = invoke(*words)
    assert refused.exit_code == 2
    assert way_out in refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_process_ends_with_exit_code_2_and_no_traceback(tmp_path: Path) -> None:
    refused = evo_bnas("run", "digit", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("unknown recipe")
    assert "Traceback" not in refused.stderr
