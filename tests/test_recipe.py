"""Recipes: what is read, what is refused and how that is said, and what a resumed run may change."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml

from evo_bnas.binary.sign import SignGradient
from evo_bnas.errors import UsageError
from evo_bnas.files.shipped import shipped
from evo_bnas.files.yaml_file import dump, flatten, validate
from evo_bnas.recipe import (
    Recipe,
    differences,
    load,
    names,
)
from evo_bnas.run.start import fitted_space
from evo_bnas.space.catalogue import names as space_names
from evo_bnas.supernet.samplers import SAMPLERS
from evo_bnas.train.settings import ConfirmSettings, RetrainSettings, SupernetSettings
from tests.support.refusals import refused
from tests.support.strategies import SPACES

DIGITS = load("digits")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_demo_recipe() -> None:
    assert "digits" in names()
    assert DIGITS.space in space_names()
    assert DIGITS.supernet.epochs == 60
    assert DIGITS.search.evaluations == 200
    assert DIGITS.pick.limits == {"ops": 20_000}
    assert DIGITS.retrain.source == "supernet"


def test_keys_that_a_recipe_omits_have_defaults(tmp_path: Path) -> None:
    recipe = load(written(tmp_path, "data: {name: digits}\nspace: elastic-8\n"))
    assert recipe.search.objectives == ("error", "ops", "params")
    assert recipe.retrain == RetrainSettings()
    assert recipe.confirm == ConfirmSettings()
    assert recipe.engine.threads is None
    assert not recipe.search.limits


def test_values_may_be_quantities(tmp_path: Path) -> None:
    text = """
    data: {name: digits}
    space: elastic-8
    supernet: {lr: 1/400, weight_decay: 5e-6}
    search: {evaluations: 1k, seconds: 1e3, limits: {size_bits: 10kB, peak_activation_bytes: 8kB}}
    pick: {limits: {error: 5%, ops: 0.02M}, within: 1%}
    """
    recipe = load(written(tmp_path, text))
    assert recipe.supernet.lr == 2.5e-3
    assert recipe.supernet.weight_decay == 5e-6
    assert recipe.search.evaluations == 1000
    assert recipe.search.limits == {"size_bits": 80_000, "peak_activation_bytes": 8000}
    assert recipe.pick.limits == {"error": 0.05, "ops": 20_000}
    assert recipe.pick.within == 0.01


def test_a_recipe_is_unchanged_by_writing_and_reading() -> None:
    recipe = load("digits", ["retrain.from=scratch", "search.limits.size_bits=10kB", "pick.within=1%"])
    again = validate(Recipe, yaml.safe_load(dump(recipe)), "test")
    assert again == recipe
    assert again.hash == recipe.hash


def test_the_hash_depends_on_the_values() -> None:
    assert len(DIGITS.hash) == 16
    assert load("digits").hash == DIGITS.hash
    assert load("digits", ["seed=1"]).hash != DIGITS.hash


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.evaluatons=3", '--set: search.evaluatons: unknown key; did you mean "evaluations"?'),
        ("serch.evaluations=3", '--set: serch: unknown key; did you mean "search"?'),
        ("supernet.augment.crp=2", '--set: supernet.augment.crp: unknown key; did you mean "crop"?'),
        ("retrain.form=scratch", '--set: retrain.form: unknown key; did you mean "from"?'),
        ("search=3", "--set: search: must hold `key: value` pairs (got 3)"),
        ("search.evaluations=many", "--set: search.evaluations: 'many' is not a quantity"),
        ("search.evaluations=2.5", "--set: search.evaluations: 2.5 is not a whole number"),
        ("search.evaluations=0", "--set: search.evaluations: input should be greater than or equal to 1"),
        ("search.evaluations=.inf", "--set: search.evaluations: inf is not a finite number"),
        ("search.evaluations=true", "--set: search.evaluations: true is not a quantity"),
        ("search.max_attempts=0", "--set: search.max_attempts: input should be greater than or equal to 1"),
        ("search.max_error=2", "--set: search.max_error: input should be less than or equal to 1"),
        ("search.seconds=0", "--set: search.seconds: input should be greater than 0"),
        ("search.explorer=nsga", "--set: search.explorer: unknown explorer 'nsga'; did you mean \"nsga2\"?"),
        (
            "search.objectives=[ops, eror]",
            "--set: search.objectives.2: unknown objective 'eror'; did you mean",
        ),
        ("search.objectives=[ops, ops]", "--set: search.objectives: ['ops', 'ops'] names an objective twice"),
        ("search.objectives=[]", "--set: search.objectives: must not be empty"),
        ("search.objectives=ops", "--set: search.objectives: must be a list (got 'ops')"),
        ("search.limits.opps=1k", "--set: search.limits: unknown objective 'opps'; did you mean \"ops\"?"),
        ("search.limits.ops=20q", "--set: search.limits: ops: '20q': unknown suffix q"),
        ("search.limits.ops=20kB", "--set: search.limits: ops: '20kB': unknown suffix kB; ops can end in k"),
        ("search.limits.size_bits=2ms", "--set: search.limits: size_bits: '2ms': unknown suffix ms"),
        ("pick.limits.error=5", "--set: pick.limits: error: 5 is 500 %; write 5%"),
        ("search.limits.error=5%", "--set: search.limits: error is not a cost; choose from ops"),
        ("search.limits=[1]", "--set: search.limits: must hold `key: value` pairs"),
        ("supernet.sampler=unifrm", "--set: supernet.sampler: input should be 'uniform', 'fair', "),
        (
            "supernet.teacher=inplace",
            "--set: supernet.teacher: unknown teacher 'inplace'; did you mean \"in-place\"?",
        ),
        (
            "supernet.teacher=resnet",
            "unknown teacher 'resnet'; choose from none, in-place, the .safetensors file of a network",
        ),
        ("supernet.teacher=null", "--set: supernet.teacher: input should be a valid string (got None)"),
        ("supernet.sign_gradient=sign", "--set: supernet.sign_gradient: input should be 'ste', 'approx' or"),
        (
            "supernet.sign_clip=1.25",
            "--set: supernet: sign_clip",
        ),
        ("supernet.real_epochs=-1", "supernet.real_epochs: input should be greater than or equal to 0"),
        ("supernet.warm_up=60", "--set: supernet: warm_up of 60 epochs must be shorter than epochs (60)"),
        ("supernet.min_steps=-1", "--set: supernet.min_steps: input should be greater than or equal to 0"),
        ("confirm.networks=-1", "--set: confirm.networks: input should be greater than or equal to 0"),
        ("confirm.min_steps=-1", "--set: confirm.min_steps: input should be greater than or equal to 0"),
        ("confirm.epochs=[3, 1]", "--set: confirm.epochs: [3, 1] must rise"),
        ("confirm.epochs=[]", "--set: confirm.epochs: must not be empty"),
        ("confirm.epochs=[0, 1]", "--set: confirm.epochs.1: input should be greater than or equal to 1"),
        ("retrain.networks=fronts", "retrain.networks: 'fronts' is neither a number of networks"),
        ("retrain.networks=0", "retrain.networks: 0 is neither a number of networks"),
        ("confirm.netwroks=3", '--set: confirm.netwroks: unknown key; did you mean "networks"?'),
        ("retrain.seeds=0", "--set: retrain.seeds: input should be greater than or equal to 1"),
        (
            "retrain.weight_decay_until=2",
            "--set: retrain.weight_decay_until: input should be less than or equal to 1",
        ),
        ("retrain.label_smoothing=1", "--set: retrain.label_smoothing: input should be less than 1"),
        ("supernet.max_grad_norm=0", "--set: supernet.max_grad_norm: input should be greater than 0"),
        ("data.name=digit", "--set: data.name: unknown data set 'digit'; did you mean \"digits\"?"),
        ("space=3", "--set: space: input should be a valid string (got 3)"),
        ("engine.workers=0", "--set: engine.workers: input should be greater than or equal to 1"),
        ("engine.device=gpu", "--set: engine.device: input should be 'auto', 'cpu' or 'cuda' (got 'gpu')"),
        ("pick.within=2", "--set: pick.within: 2 is 200 %; write 2% for percent"),
        ("pick.within=100%", "--set: pick.within: input should be less than 1 (got '100%')"),
        ("pick.within=-1%", "--set: pick.within: input should be greater than or equal to 0"),
        ("pick.knee=maybe", "--set: pick.knee: input should be a valid boolean"),
        ("seed=-1", "--set: seed: input should be greater than or equal to 0 (got -1)"),
        ("evaluations", "--set evaluations: write it like search.evaluations=50"),
        ("=3", "--set =3: write it like search.evaluations=50"),
        ("seed=2026-13-01", "--set seed=2026-13-01: '2026-13-01' is not a YAML value"),
        ("seed=[", "--set seed=[: '[' is not a YAML value"),
        ("space=!!python/object/apply:os.system [ls]", "is not a YAML value"),
    ],
)
def test_a_wrong_override_is_explained(override: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        load("digits", [override])
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_wrong_file_is_reported_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, "data: {name: digits}\nspace: elastic-8\nsearch: {evaluatons: 3}\n")
    with pytest.raises(UsageError) as raised:
        load(path)
    assert str(raised.value) == f'{path}: search.evaluatons: unknown key; did you mean "evaluations"?'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("space: elastic-8", "data: is missing"),
        ("data: {name: digits}", "space: is missing"),
        ("data: digits\nspace: elastic-8", "data: must hold `key: value` pairs (got 'digits')"),
        ("data: {name: digits", "YAML: line 1"),
        ("data: {name: digits}\n\tspace: x", "YAML: line 2"),
        ("data: !!python/object/apply:os.system ['echo hello']", "use plain values"),
        ("data: !recipe {}", "use plain values"),
        ("data: 2026-13-01", "month must be in 1..12"),
        ("- digits", "must hold `key: value` lines, not list"),
        ("digits", "must hold `key: value` lines, not str"),
    ],
)
def test_a_file_that_is_not_a_recipe_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_missing_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown recipe 'digit'; did you mean .digits.\?"):
        load("digit")
    with pytest.raises(UsageError, match=r"none\.yaml: cannot be read: No such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        load(tmp_path / "folder.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "bytes.yaml")


def test_later_overrides_win_and_other_keys_stay() -> None:
    recipe = load("digits", ["search.evaluations=50", "search.evaluations=60", "pick.limits.size_bits=5kB"])
    assert recipe.search.evaluations == 60
    assert recipe.search.objectives == DIGITS.search.objectives
    assert recipe.pick.limits == {"ops": 20_000, "size_bits": 40_000}
    assert recipe.supernet == DIGITS.supernet


def test_overrides_are_checked_together_and_in_any_order() -> None:
    """Neither of these is possible without the other."""
    pair = ["supernet.warm_up=80", "supernet.epochs=100"]
    for overrides in (pair, pair[::-1]):
        training = load("digits", overrides).supernet
        assert (training.warm_up, training.epochs) == (80, 100)
    with refused(UsageError, "--set: supernet: ", "warm_up of 80", "epochs (60)"):
        load("digits", pair[:1])
    latency = ["pick.limits={latency_ms: 2}", "search.objectives=[error, latency_ms]"]
    assert load("digits", latency).pick.limits == {"latency_ms": 2}


def test_every_wrong_override_is_reported_at_once() -> None:
    with refused(UsageError, "--set: seed: ", "(got -1)", "--set: supernet.epochs: ", "'many'"):
        load("digits", ["seed=-1", "supernet.epochs=many"])


def test_networks_to_retrain_are_a_number_or_the_front() -> None:
    assert load("digits", ["retrain.networks=3"]).retrain.networks == 3
    assert load("digits", ["retrain.networks=front"]).retrain.networks == "front"
    for wrong in ("0", "2.5", "back"):
        with pytest.raises(UsageError, match=r"^--set: retrain\.networks"):
            load("digits", [f"retrain.networks={wrong}"])


@pytest.mark.parametrize(
    "override",
    [
        "search.evaluations=300",
        "confirm.networks=0",
        "confirm.epochs=[2, 4]",
        "retrain.networks=3",
        "retrain.networks=front",
        "retrain.seeds=3",
        "pick.limits.ops=10k",
        "pick.knee=true",
        "pick.within=1%",
        "search.seconds=null",
    ],
)
def test_a_run_can_be_resumed_with(override: str) -> None:
    assert differences(DIGITS, load("digits", [override])) == []


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("supernet.epochs=40", "supernet.epochs: 60 in the run, 40 in the recipe"),
        ("supernet.min_steps=9", "supernet.min_steps: 3000 in the run, 9 in the recipe"),
        ("confirm.min_steps=9", "confirm.min_steps: 100 in the run, 9 in the recipe"),
        ("retrain.min_steps=9", "retrain.min_steps: 600 in the run, 9 in the recipe"),
        ("search.evaluations=50", "search.evaluations: 200 in the run, 50 in the recipe; it may only grow"),
        ("search.seconds=9", "search.seconds: unset in the run, 9.0 in the recipe; it may only grow"),
        ("search.limits.ops=9k", "search.limits.ops: unset in the run, 9000.0 in the recipe"),
        (
            "search.objectives=[error]",
            'search.objectives: ["error", "ops", "params"] in the run, ["error"] in',
        ),
        ("retrain.from=scratch", 'retrain.from: "supernet" in the run, "scratch" in the recipe'),
        ("engine.threads=2", "engine.threads: 1 in the run, 2 in the recipe"),
        ("seed=1", "seed: 0 in the run, 1 in the recipe"),
    ],
)
def test_a_run_cannot_be_resumed_with(override: str, line: str) -> None:
    (line_found,) = differences(DIGITS, load("digits", [override]))
    assert line_found.startswith(line)


def test_seeds_may_grow() -> None:
    more = load("digits", ["retrain.seeds=3"])
    assert differences(DIGITS, more) == []
    (line,) = differences(more, DIGITS)
    assert line.startswith("retrain.seeds: 3 in the run, 1 in the recipe; it may only grow")


def test_a_time_budget_may_grow() -> None:
    short, long = (load("digits", [f"search.seconds={s}"]) for s in (60, 120))
    assert differences(short, long) == []
    assert differences(short, DIGITS) == []
    assert len(differences(long, short)) == 1


def test_the_space_is_fitted_to_the_images() -> None:
    space = fitted_space(DIGITS)
    assert (space.image, space.classes) == ((1, 8, 8), 10)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("space=elastic-9", "unknown space 'elastic-9'; did you mean \"elastic-8\"?"),
        ("space=group-mobile-32", 'not 8x8; did you mean "group-mobile-8"?'),
        ("search.limits.ops=1", "no network of elastic-8 has ops ≤ 1; the smallest has 6,208"),
        ("pick.limits.ops=1", "no network of elastic-8 has ops ≤ 1; the smallest has 6,208"),
        ("pick.limits.size_bits=1B", "no network of elastic-8 has size_bits ≤ 1 B; the smallest has "),
    ],
)
def test_an_unsuitable_space_is_refused(override: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        fitted_space(load("digits", [override]))
    assert message in str(raised.value)


def test_limits_equal_to_the_smallest_network_are_accepted() -> None:
    space = SPACES["elastic-8"]
    space.check_limits({"ops": space.bounds("ops")[0], "error": 0.0})


def test_names_in_settings_match_the_implementations() -> None:
    assert set(get_args(SupernetSettings.model_fields["sampler"].annotation)) == set(SAMPLERS)
    assert SupernetSettings.model_fields["sign_gradient"].annotation == SignGradient


def test_a_teacher_is_a_keyword_or_a_file() -> None:
    for name in ("none", "in-place"):
        assert load("digits", [f"supernet.teacher={name}"]).supernet.teacher_file is None
    named = load("digits", ["supernet.teacher=runs/out/big/network.safetensors"])
    assert named.supernet.teacher_file == Path("runs/out/big/network.safetensors")


def test_both_trainings_have_the_same_options_and_stages_longer_than_warm_up() -> None:
    options = [
        "real_epochs=5",
        "warm_up=4",
        "label_smoothing=10%",
        "max_grad_norm=5",
        "weight_decay_until=1/2",
        "min_steps=1k",
    ]
    recipe = load("digits", [f"{part}.{option}" for option in options for part in ("supernet", "retrain")])
    for training in (recipe.supernet, recipe.retrain):
        assert training.real_epochs == 5
        assert training.min_steps == 1_000
        assert training.warm_up == 4
        assert training.label_smoothing == 0.1
        assert training.max_grad_norm == 5.0
        assert training.weight_decay_until == 0.5
    with pytest.raises(UsageError, match=r"warm_up of 4 epochs must be shorter than real_epochs \(3\)"):
        load("digits", ["supernet.warm_up=4", "supernet.real_epochs=3"])


def test_an_option_without_an_effect_is_refused() -> None:
    assert (
        load("digits", ["supernet.sign_gradient=ste", "supernet.sign_clip=1.25"]).supernet.sign_clip == 1.25
    )
    with pytest.raises(UsageError, match=r"label_smoothing: .*t\.safetensors"):
        load("digits", ["supernet.label_smoothing=0.1", "supernet.teacher=t.safetensors"])


def test_recipes_are_read_without_torch_and_numpy() -> None:
    program = (
        "import sys, evo_bnas.recipe as r; r.load('digits'); print({'torch', 'numpy'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_the_template_names_every_key_with_its_default() -> None:
    """`runs/own-images.yaml` is a recipe, and names every key if its comments are included."""
    path = shipped("runs") / "own-images.yaml"
    recipe = load(path)
    # Commented keys are defaults: with all of them the recipe is the same, except for parquet columns.
    complete = re.sub(r"(?m)^  # (\w+: )", r"  \1", path.read_text(encoding="utf-8"))
    content = yaml.safe_load(complete)
    assert (content["data"].pop("image"), content["data"].pop("label")) == ("img", "label")
    assert validate(Recipe, content, str(path)) == recipe
    named = set(flatten(content)) | {"data.image", "data.label"}
    fields = flatten(recipe.model_dump(mode="json", by_alias=True))
    as_above = {
        f"retrain.{key}"
        for key in (
            "real_epochs",
            "warm_up",
            "weight_decay",
            "weight_decay_until",
            "label_smoothing",
            "max_grad_norm",
        )
    }
    missing = {key for key in fields if key not in named and not key.startswith("search.limits")} - as_above
    assert missing == set()
