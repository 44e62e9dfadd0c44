"""The documentation says what holds: its suites validate, its code runs, its links lead somewhere, and the README's
tables are those of the report that lies in the repository."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import pkgutil
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from qbench import registry
from qbench.cards.lookup import card_names, card_path, load_card
from qbench.cards.schema import RecipeSpec
from qbench.cli.app import EXIT_CODES
from qbench.data.views import ViewSpec
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.run import run_plan
from qbench.suite.schema import EngineSpec, Suite, TaskSpec
from tests.conftest import ROOT
from tests.test_imports import PACKAGE, files_of, imports, is_room, known_as

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
METHODS = sorted((ROOT / "docs" / "methods").glob("*.md"))
LINKING = [*PAGES, *METHODS, *sorted((ROOT / "reports").rglob("*.md"))]
BLOCK = re.compile(r"^```(?P<kind>\w+) (?P<use>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(*wanted: str) -> list[object]:
    return list(_blocks(*wanted))


def _blocks(*wanted: str) -> Iterator[object]:
    for page in (*PAGES, *METHODS):
        for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), start=1):
            if f"{match['kind']} {match['use']}" in wanted:
                yield pytest.param(page, match["text"], id=f"{page.stem}-{number}")


def plugins(page: Path, folder: Path) -> tuple[Path, ...]:
    """The page's own plug-in, written to a file whose name is the page's."""
    found = [m["text"] for m in BLOCK.finditer(page.read_text(encoding="utf-8")) if m["use"] == "plugin"]
    file = folder / f"docs_{page.stem.lower()}.py"
    file.write_text("\n".join(found))
    return (file,) if found else ()


@pytest.fixture(scope="module")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plugins")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the data that the pages speak of."""
    for name in ("photos/cat", "photos/dog", "my-imagenet/n01440764", "my-imagenet/n01443537"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(np.full((40, 50, 3), 9, dtype=np.uint8)).save(tmp_path / name / "1.JPEG")
    for name in ("fog/1", "fog/5", "snow/1", "snow/5"):
        folder = tmp_path / "imagenet-c" / name / "n01440764"
        folder.mkdir(parents=True)
        Image.fromarray(np.full((40, 50, 3), 9, dtype=np.uint8)).save(folder / "1.JPEG")
    (tmp_path / "my-resnet18.safetensors").write_bytes(b"digested, not read")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QBENCH_HOME", str(tmp_path / "home"))
    for variable in ("IMAGENET_C", "PHOTOS", "IMAGENET"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.mark.parametrize(("page", "text"), blocks("yaml suite", "yaml run"))
def test_suites_are_valid(page: Path, text: str, here: Path, plugin_folder: Path) -> None:
    (here / "suite.yaml").write_text(text)
    options = Options(device="cpu", plugin_files=plugins(page, plugin_folder))
    assert make_plan(*load_suite(here / "suite.yaml"), options).cells


@pytest.mark.parametrize(("page", "text"), blocks("yaml run"))
def test_suites_of_plugins_run(page: Path, text: str, here: Path, plugin_folder: Path) -> None:
    (here / "suite.yaml").write_text(text)
    options = Options(device="cpu", limit=3, plugin_files=plugins(page, plugin_folder))
    plan = make_plan(*load_suite(here / "suite.yaml"), options)
    info = run_plan(plan, here / "run", workers=1, command="docs")
    assert {cell.status for cell in info.cells} == {"done"}, [cell.reason for cell in info.cells]


@pytest.mark.parametrize(("page", "text"), blocks("python run"))
def test_code_runs(page: Path, text: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = here / f"{page.stem.lower()}_example.py"
    file.write_text(re.sub(r'"count": \d+', '"count": 4', text))
    runpy.run_path(str(file), run_name="__main__")
    assert ("top1" if "qbench.run" in text else ".") in capsys.readouterr().out


def test_every_kind_of_block_is_there() -> None:
    for kinds in (("yaml suite",), ("yaml run",), ("python run",)):
        assert blocks(*kinds)


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#:\s]*)#?([^):\s]*)\)", page.read_text(encoding="utf-8")):
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not heading or heading in anchors(there), f"{target}#{heading}"


@pytest.mark.parametrize("page", [*PAGES, *METHODS], ids=lambda page: page.stem)
def test_every_module_that_a_page_names_is_there(page: Path) -> None:
    for name in set(re.findall(r"\bqbench(?:\.[A-Za-z_]\w*){2,}", page.read_text(encoding="utf-8"))):
        pkgutil.resolve_name(name)


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize(
    ("page", "model"),
    [("suites", Suite), ("suites", TaskSpec), ("suites", ViewSpec), ("suites", EngineSpec), ("training", RecipeSpec)],
)
def test_every_key_is_documented(page: str, model: type) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    left_out = {"budget", "notes"}
    missing = [name for name in model.model_fields if f"`{name}`" not in text and name not in left_out]  # type: ignore[attr-defined]
    assert not missing


def test_the_table_of_recipes_names_the_methods_that_have_them() -> None:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    table = re.search(r"^\| recipe \| of .*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert table is not None
    trained = [name for name in card_names() if name in registry.names("method")]
    recipes = {name: load_card(card_path(name)).recipes for name in trained}
    for line in table[0].strip().splitlines()[2:]:
        names, of = line.split("|")[1:3]
        told = set(re.findall(r"`([\w-]+)`", of.partition(", whose")[0].partition("; of ")[0]))
        told = set(trained) - told if "all but" in of else told
        for recipe in re.findall(r"`([\w-]+)`", names):
            assert told == {name for name in trained if recipe in recipes[name]}, recipe


@pytest.mark.parametrize("task", ["classification", "segmentation", "detection"])
def test_every_column_of_records_is_documented(task: str) -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    section = text.split(f"## Columns of {task} records\n")[1].split("\n## ")[0]
    columns = importlib.import_module(f"qbench.tasks.{task}.predict").COLUMNS
    assert [name for name in columns if f"| `{name}` |" not in section] == []
    assert "## Columns of restoration records" in text


def test_every_built_in_method_and_dataset_is_documented() -> None:
    methods = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    suites = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    for kind, text in (("method", methods), ("dataset", suites)):
        for name in registry.names(kind):  # type: ignore[arg-type]
            if registry.get(kind, name).module.startswith("qbench."):  # type: ignore[arg-type]
                assert f"`{name}`" in text, name


def test_every_built_in_condition_is_documented_with_its_parameters() -> None:
    text = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8")
    for name in registry.names("condition"):
        entry = registry.get("condition", name)
        if entry.module.startswith("qbench."):
            words = [name, *(field.name for field in dataclasses.fields(entry.target))]
            assert [word for word in words if not re.search(rf"`[^`\n]*\b{word}\b[^`\n]*`", text)] == []


def test_the_speeds_of_the_corruptions_are_those_of_the_benchmark() -> None:
    text = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8")
    found = json.loads((ROOT / "benchmarks" / "results" / "corruptions.json").read_text())["speed-up"]
    for name in ("grid 15x5", "grid 15x5 without glass_blur", "all 19x5"):
        for mode in ("fast", "parity"):
            wall = found[name][mode]["wall"]
            assert f"{wall['median']:.1f} ({wall['low']:.1f}-{wall['high']:.1f})" in text


def test_the_readme_names_the_exit_codes() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for code in re.findall(r"(?:^|; )\s*(?:Exit codes: )?(\d+) ", EXIT_CODES.replace("\n", " ")):
        assert f"| {code} |" in readme


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_s_tables_are_those_of_the_report() -> None:
    update, readme = script("fill_readme"), (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count(update.BEGIN) == readme.count(update.END) == 1
    page = ROOT / "reports" / "jpeg" / "README.md"
    assert update.filled(readme, page.read_text(encoding="utf-8")) == readme, "run python tools/fill_readme.py"


def test_filling_the_readme_puts_in_the_tables_and_nothing_else() -> None:
    update = script("fill_readme")
    report = (
        "# T\n\nMade by x.\n\n## A\n\n### g\n\n| a |\n|---|\n| 1 |\n\n## P\n\n![p](p.png)\n\n## Provenance\n\n* x\n"
    )
    readme = f"before\n{update.BEGIN}old\n{update.END}\nafter\n"
    found = update.filled(readme, report)
    assert found == f"before\n{update.BEGIN}Made by x.\n\n### A\n\n#### g\n\n| a |\n|---|\n| 1 |\n{update.END}\nafter\n"
    assert update.filled(found, report) == found
    with pytest.raises(ValueError, match="table:begin"):
        update.filled("no marks", report)


@pytest.mark.parametrize("name", ["scenes", "conditions"])
def test_a_picture_is_what_its_script_draws(name: str) -> None:
    drawn = np.asarray(script(f"draw_{name}").picture())
    with Image.open(ROOT / "docs" / f"{name}.png") as stored:
        there = np.asarray(stored)
    assert there.shape == drawn.shape
    assert np.abs(there.astype(int) - drawn).mean() < 1, f"run python tools/draw_{name}.py"


ARCHITECTURE = ROOT / "docs" / "architecture.md"
NAMED_PATH = re.compile(r"`((?:qbench|docs|tests|baselines)/[\w./-]*)`")


def test_every_room_is_in_the_page_of_the_architecture_and_its_paths_exist() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert described == {file.stem for file in PACKAGE.iterdir() if is_room(file)}
    assert [path for path in NAMED_PATH.findall(text) if not (ROOT / path).exists()] == []


def test_every_solid_arrow_of_the_architecture_is_an_import() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    arrows = re.findall(r"^ +(\w+) --> (\w+)$", text, re.MULTILINE)
    assert len(arrows) > 20
    for room, imported in arrows:
        assert imported in {part for file in files_of(room) for name in imports(file) for part in known_as(name)}, room
