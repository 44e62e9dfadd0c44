"""Every fault of a suite is one line that names file:line:col, what was expected and the nearest name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qbench import registry
from qbench.cards.lookup import card_path, load_card, recipe_of
from qbench.errors import QbenchError, SuiteError
from qbench.runs.parts import TaskParts, task_parts
from qbench.runs.plan import Options, load_suite, make_plan
from tests.conftest import PLUGIN, ROOT

Suite = Callable[..., Path]


def problem(file: Path) -> str:
    def attempt() -> None:
        suite, document = load_suite(file)
        make_plan(suite, document, Options(plugin_files=(PLUGIN,), device="cpu"))

    with pytest.raises(QbenchError) as caught:
        attempt()
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("suite: toy", "suit: toy", 1, "unknown key 'suit' (did you mean 'suite'?)"),
        ("version: 1", "version: one", 2, "'version'"),
        ("changelog: {1: first}", "changelog: {2: first}", 3, "changelog has no line for version 1"),
        ("batch: 4", "batch: 0", 5, "'batch'"),
        ("models: [toy]", "models: [toi]", 8, "unknown model 'toi' (did you mean 'toy'?)"),
        ("models: [toy]", "models: []", 8, "at least 1 item"),
        ("- clean", "- cleen", 10, "unknown condition 'cleen' (did you mean 'clean'?)"),
        ("quality: [25, 7]", "qualty: [25, 7]", 11, "no parameter 'qualty' (did you mean 'quality'?)"),
        ("quality: [25, 7]", "quality: [25, -7]", 11, "1..100, not -7"),
        ("quality: [25, 7]", "quality: []", 11, "empty list"),
        ("quality: [25, 7]", "quality: often", 11, "'quality'"),
        ("times: [2, 3]", "times: [0]", 12, "greater than or equal to 1"),
        ("damp]", "dmap]", 13, "unknown method 'dmap' (did you mean 'damp'?)"),
        ("damp]", "damp, damp]", 13, "give one of them its own `label`"),
        ("[toy]", "[toy, toy]", 8, "two models are both named 'toy' in tables; give one of them its own `label`"),
        ("- clean", "- clean\n      - clean", 11, "two conditions are both named 'clean'"),
        ("count: 10", "count: 0", 7, "count"),
        ("count: 10", "cuont: 10", 7, "no parameter 'cuont' (did you mean 'count'?)"),
        (
            "{name: scenes, count: 10}",
            "{name: imagefolder, root: /no/such/folder}",
            7,
            "/no/such/folder is not a folder",
        ),
        ("{name: scenes, count: 10}", "{name: photos, root: '${NO_SUCH_VARIABLE}'}", 7, "NO_SUCH_VARIABLE"),
        ("seed: 3", "seed: 3\nseed: 4", 5, "a second time"),
        ("seed: 3", "seed: [3", 5, "not valid YAML"),
        ("seed: 3", "extends: base.yaml", 4, "base.yaml cannot be read: No such file"),
        ("seed: 3", "plugins: [no_such_module]", 4, "no_such_module"),
        ("by-times]", "by-time]", 14, "'tables': input should be 'accuracy-by-quality'"),
        ("by-times]", "by-time]", 14, "not 'accuracy-by-time' (did you mean 'accuracy-by-times'?)"),
        ("damp]", "arcnn: {train_seeds: [0.5]}]", 13, "'train_seeds' is a list of whole numbers"),
        ("damp]", "{arcnn: {train_seeds: []}}]", 13, "'train_seeds' is a list of whole numbers"),
        (
            "seed: 3",
            "seed: 3\npublished: [{file: adf, table: 5}]",
            5,
            "no published figures 'adf' (did you mean 'afd'?)",
        ),
        ("seed: 3", "seed: 3\npublished: [{file: afd, table: 11}]", 5, "no table '11' in afd"),
        ("seed: 3", "seed: 3\npublished: [{file: /no/figures.yaml, table: 1}]", 5, "/no/figures.yaml cannot be read"),
        ("seed: 3", "seed: 3\ncontrols: [{control: dierct}]", 5, "named 'dierct' in tables (did you mean 'direct'?)"),
        ("seed: 3", "seed: 3\ncontrols: [{control: direct, methods: [demp]}]", 5, "did you mean 'damp'?"),
        ("changelog: {1: first}\n", "", 1, "key 'changelog' is missing, such as `changelog: {1: first version}`"),
        ("suite: toy", "suite: '..'", 1, "names a folder: letters, digits, `.`, `_` and `-` only, not '..'"),
        ("suite: toy", "suite: a/b", 1, "not 'a/b'"),
        ("seed: 3", "seed: 3\nmetrics: [top1]", 5, "unknown key 'metrics' here; it belongs under `tasks`"),
        ("seed: 3", "seed: 3\nmax_bad: 0.1", 5, "unknown key 'max_bad' here; it belongs under `engine`"),
        ("seed: 3", "seed: 3\ncrop: 224", 5, "unknown key 'crop' here; it belongs under `tasks: view`"),
        ("batch: 4", "seed: 4", 5, "unknown key 'seed'"),
        ("batch: 4", "batsch: 4", 5, "unknown key 'batsch' (did you mean 'batch'?)"),
        ("models: [toy]", "models: [toy]\n    view: {resize: modle}", 9, "not 'modle' (did you mean 'model'?)"),
        ("models: [toy]", "models: [toy]\n    view: {resize: 0}", 9, "1 to 16,384 pixels a side, not 0"),
        (
            "count: 10",
            "split: vall",
            7,
            "'split': input should be 'train', 'val' or 'test', not 'vall' (did you mean 'val'?)",
        ),
        ("count: 10", "lable: mine", 7, "no parameter 'lable' (did you mean 'label'?)"),
        (
            "models: [toy]",
            "models: [{'timm:resnet18': {input: {siz: 9}}}]",
            8,
            "unknown key 'siz' (did you mean 'size'?)",
        ),
        ("models: [toy]", "models: ['timm:']", 8, "model 'timm:' names nothing behind the colon: timm:NAME"),
        ("quality: [25, 7]", "quality: {any: []}", 11, "not {'any': []}"),
        (
            "quality: [25, 7]",
            "quality: {an: [7]}",
            11,
            "expected {any: [..]}, {between: [low, high]} or {between: [low, high], by: log}, not {'an': [7]}",
        ),
        ("times: [2, 3]", "times: 2, quality: {betwen: [1, 2]}", 12, "betwen"),
        ("damp]", "DAMP]", 13, "unknown method 'DAMP' (did you mean 'damp'?)"),
        ("damp]", "{afd: {guide: mul_residuals}}]", 13, "(did you mean 'mul_residual'?)"),
        ("damp]", "{afd: {recipie: lite0}}]", 13, "no parameter 'recipie' (did you mean 'recipe'?)"),
        ("damp]", "{afd: {base: -4}}]", 13, "'base': input should be greater than or equal to 1, not -4"),
        ("damp]", "{arcnn: {weights: 3}}]", 13, "'weights': expected text, not 3"),
        ("damp]", "{arcnn: {recipe: [scenes]}}]", 13, "'recipe': expected text, not ['scenes']"),
        ("direct,", "{direct: {weights: x}},", 13, "method 'direct' is not declared as trained; it takes no 'weights'"),
        ("direct,", "{direct: {recipe: x}},", 13, "method 'direct' is not declared as trained; it takes no 'recipe'"),
        ("{name: scenes, count: 10}", "{name: csv, root: 7}", 7, "'root': expected a path, not 7"),
        ("seed: 3", f"seed: {'[' * 200_000}{']' * 200_000}", 4, "too deeply"),
        ("tables: [", "tables: 3 # [", 14, "'tables': expected a list, not 3"),
        ("seed: 3", "seed: 3\nplugins: &a\n- *a", 5, "an alias stands inside of what it names"),
        ("models: [toy]", "models: &a [{chain: *a}]", 8, "an alias stands inside of what it names"),
        ("version: 1", "version: '1'", 2, "'version': expected a whole number, not '1'"),
        ("version: 1", "version: true", 2, "'version': expected a whole number, not True"),
        ("batch: 4", "batch: 4.0", 5, "'batch': expected a whole number, not 4.0"),
        ("batch: 4", "threads: '2'", 5, "'threads': expected a whole number, not '2'"),
        ("batch: 4", "max_bad: true", 5, "'max_bad': expected a number, not True"),
        ("models: [toy]", "models: [toy]\n    view: {crop: true}", 9, "'crop': expected a whole number, not True"),
        ("models: [toy]", "models: [{'timm:resnet18': {pretrained: 'no'}}]", 8, "expected true or false, not 'no'"),
        ("models: [toy]", "models: [{'timm:resnet18': {input: {size: '9'}}}]", 8, "'size': expected a whole number"),
        ("count: 10", "count: true", 7, "'count': expected a whole number, not True"),
        ("quality: [25, 7]", "quality: '7'", 11, "'quality': expected a whole number, not '7'"),
        ("quality: [25, 7]", "quality: [7, true]", 11, "'quality': expected a whole number, not True"),
        ("quality: [25, 7]", "quality: {any: [7, '8']}", 11, "'quality': expected a whole number, not '8'"),
        ("quality: [25, 7]", "quality: {between: [true, 8]}", 11, "expected {any: [..]}"),
        ("quality: [25, 7]", "quality: {between: [5, 1000000000000]}", 11, "lies in 1..100, not 1000000000000"),
        ("quality: [25, 7]", f"quality: {{between: [5, {10**40}]}}", 11, "whole numbers are at most 2^63 - 1"),
        ("times: [2, 3]", "times: 2, quality: {any: ['7']}", 12, "'quality': expected a whole number, not '7'"),
        ("- clean", "- chain: {steps: [{jpeg: {quality: '7'}}]}", 10, "expected a whole number, not '7'"),
    ],
)
def test_a_fault_names_its_place(toy: Suite, old: str, new: str, line: int | None, said: str) -> None:
    text = problem(toy((old, new)))
    assert said in text
    assert "\n" not in text
    if line is not None:
        assert f"toy.yaml:{line}:" in text


def test_an_empty_folder_and_duplicate_ids_are_refused(toy: Suite, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no class folders" in problem(toy(("{name: scenes, count: 10}", f"{{name: imagefolder, root: {empty}}}")))
    assert "holds no samples" in problem(toy(("{name: scenes, count: 10}", f"{{name: photos, root: {empty}}}")))
    (empty / "labels.csv").write_text("file,class_index\na.png,1\nb.png,2\na.png,1\n")
    assert "'a.png' twice" in problem(toy(("{name: scenes, count: 10}", f"{{name: csv, root: {empty}}}")))
    (empty / "labels.csv").write_text("file,class_index\na.png,cat\n")
    assert "labels.csv:2:1" in problem(toy(("{name: scenes, count: 10}", f"{{name: csv, root: {empty}}}")))


def test_weights_that_do_not_exist_or_fit_are_told(toy: Suite, tmp_path: Path) -> None:
    text = problem(toy(("damp]", "{arcnn: {weights: /no/weights.safetensors}}]")))
    assert "/no/weights.safetensors do not exist" in text
    assert "toy.yaml:13:" in text
    folder = problem(toy(("damp]", f"{{arcnn: {{weights: {tmp_path}}}}}]")))
    assert f"weights {tmp_path} cannot be read: Is a directory" in folder


def test_weights_of_a_method_that_a_card_makes_name_the_command(toy: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QBENCH_HOME", "/none")
    text = problem(toy(("damp]", "{arcnn: {weights: /none/weights/arcnn-scenes-s3.safetensors}}]")))
    assert "qbench train arcnn scenes --seed 3" in text


RESTORATION = """\
suite: restoration
version: 1
changelog: {1: first}
tasks:
  - task: restoration
    dataset: {name: scenes, count: 2}
    models: [identity]
    conditions: [clean]
    metrics:
      - psnr
      - %s
"""


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("psnr: {crop_border: 4}", "two metrics are called 'psnr'; give one of them a `label`"),
        ("niqe: {model: baselines/quality/niqe-local-scenes.npz}", "is not the published model of NIQE"),
        ("niqe: {model: /no/model.npz}", "/no/model.npz cannot be read"),
        ("niqe-local: {model: /no/model.npz}", "/no/model.npz cannot be read"),
        ("pyiqa:musik", "pyiqa"),
    ],
)
def test_metrics_that_cannot_be_computed_are_told_before_anything_runs(
    metric: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "restoration.yaml").write_text(RESTORATION % metric)
    text = problem(tmp_path / "restoration.yaml")
    assert said in text
    assert "restoration.yaml:11:" in text


def test_extends_merges_one_level_and_keeps_places(toy: Suite, tmp_path: Path) -> None:
    toy(name="base.yaml")
    child = tmp_path / "child.yaml"
    child.write_text("extends: base.yaml\nsuite: child\nengine: {batch: 2}\n")
    suite, _ = load_suite(child)
    assert (suite.suite, suite.engine.batch, suite.engine.shard, suite.seed) == ("child", 2, 4, 3)
    (tmp_path / "grandchild.yaml").write_text("extends: child.yaml\n")
    assert "only one level" in problem(tmp_path / "grandchild.yaml")
    child.write_text("extends: base.yaml\nengine: {batsch: 2}\n")
    assert "child.yaml:2:10" in problem(child)
    toy(("batch: 4", "batch: -4"), name="base.yaml")
    child.write_text("extends: base.yaml\nsuite: child\n")
    assert "base.yaml:5:" in problem(child)


def test_variables_are_filled_from_the_environment(toy: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QB_TITLE", raising=False)
    file = toy(("version: 1", "title: ${QB_TITLE:-none of it}\nversion: 1"))
    assert load_suite(file)[0].title == "none of it"
    monkeypatch.setenv("QB_TITLE", "told")
    assert load_suite(file)[0].title == "told"


def test_a_variable_alone_may_stand_for_a_number(toy: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QB_COUNT", "6")
    monkeypatch.setenv("QB_BATCH", "2")
    file = toy(("count: 10", "count: '${QB_COUNT:-10}'"), ("batch: 4", "batch: '${QB_BATCH}'"),
               ("seed: 3", "seed: ${QB_SEED:-5}\ntitle: ${QB_COUNT}"),
               ("damp]", "{damp: {factor: 1e-1}}]"))  # fmt: skip
    suite, document = load_suite(file)
    assert (suite.engine.batch, suite.seed, suite.title) == (2, 5, "6")
    plan = make_plan(suite, document, Options(plugin_files=(PLUGIN,), device="cpu"))
    assert plan.sources[0].samples == 6
    assert plan.cells[-1].method.params == {"factor": 0.1}
    assert "expected a whole number, not '06'" in problem(toy(("seed: 3", "seed: '0${QB_COUNT}'")))


def test_the_folder_of_what_qbench_made_is_known_without_being_set(toy: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    file = toy(("version: 1", "title: ${QBENCH_HOME}/weights\nversion: 1"))
    monkeypatch.delenv("QBENCH_HOME", raising=False)
    assert load_suite(file)[0].title == f"{Path.home()}/.cache/qbench/weights"
    monkeypatch.setenv("QBENCH_HOME", "/elsewhere")
    assert load_suite(file)[0].title == "/elsewhere/weights"


def test_a_model_without_its_weights_says_how_to_make_them(
    toy: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QBENCH_HOME", str(tmp_path))
    model = '"smp:fpn": {classes: 11, weights: "${QBENCH_HOME}/weights/afd-scenes-s7.safetensors"}'
    said = problem(toy(("models: [toy]", f"models: [{{{model}}}]")))
    assert ":8:" in said
    assert "qbench train afd scenes --seed 7" in said


def built(file: Path) -> list[TaskParts]:
    """All that a suite names, without its data and without weights."""
    suite, document = load_suite(file)
    registry.load_plugins(suite.plugins, ())
    tasks = []
    for number, spec in enumerate(suite.tasks):
        with document.at(("tasks", number)):
            tasks.append(task_parts(spec, {}))
    return tasks


SHIPPED = sorted((ROOT / "suites").rglob("*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_suite_is_valid_with_all_that_it_names(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QBENCH_DATA", "/no/data")
    monkeypatch.setenv("QBENCH_WEIGHTS", "/no/weights")
    assert load_suite(file)[0].suite == file.stem
    for parts in built(file):
        assert all((parts.datasets, parts.models, parts.conditions, parts.methods, parts.metrics))
        for method in (part for part in parts.methods if part.entry.facts["trained"]):
            card = load_card(card_path(method.named.name))
            recipe = method.named.params.get("recipe")
            assert recipe is None or recipe_of(card, recipe)


@pytest.mark.parametrize(
    ("suite", "old", "new", "said"),
    [
        ("jpeg", "afd", "adf", "unknown method 'adf' (did you mean 'afd'?)"),
        ("paper/afd-table-1", "torchvision:", "torchvison:", "did you mean 'torchvision:resnet50'?"),
        ("segmentation-camvid", "classes: ", "clases: ", "no parameter 'clases' (did you mean 'classes'?)"),
        ("codecs", "quality: ", "qualty: ", "no parameter 'qualty' (did you mean 'quality'?)"),
    ],
)
def test_a_slip_in_a_shipped_suite_is_found(suite: str, old: str, new: str, said: str, tmp_path: Path) -> None:
    text = (ROOT / "suites" / f"{suite}.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "slip.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SuiteError) as caught:
        built(tmp_path / "slip.yaml")
    assert said in str(caught.value)


def test_no_python_object_is_made_from_yaml(toy: Suite) -> None:
    text = problem(toy(("seed: 3", "seed: !!python/object/apply:os.system ['true']")))
    assert "not valid YAML" in text


def test_values_that_aliases_repeat_are_bounded(tmp_path: Path) -> None:
    lines = ["suite: bomb", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    (tmp_path / "suite.yaml").write_text("\n".join(lines))
    with pytest.raises(SuiteError, match=r"suite\.yaml:\d+:\d+: more than 100,000 values"):
        load_suite(tmp_path / "suite.yaml")


@pytest.mark.parametrize("date", ["2026-02-28", "2026-02-31"])
def test_a_date_is_told_with_its_place(tmp_path: Path, date: str) -> None:
    (tmp_path / "suite.yaml").write_text(f"suite: dates\ntitle: {date}\n")
    with pytest.raises(SuiteError, match=r"suite\.yaml:2:1: this is read as a date; put it in quotes"):
        load_suite(tmp_path / "suite.yaml")
