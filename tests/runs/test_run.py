"""The engine's promises: same numbers however they are computed, nothing computed twice, nothing lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from qbench.data.views import View
from qbench.degrade.jpeg import Jpeg, Rejpeg
from qbench.draws import Draw
from qbench.errors import StoreError
from qbench.report.build import build
from qbench.runs import execute, store, units
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan
from qbench.runs.run import run_plan
from qbench.runs.run_info import RunInfo
from qbench.storage.sealed import open_sealed
from tests.conftest import PLUGIN

Suite = Callable[..., Path]


def planned(file: Path, **options: object) -> Plan:
    suite, document = load_suite(file)
    return make_plan(suite, document, Options(plugin_files=(PLUGIN,), device="cpu", **options))  # type: ignore[arg-type]


def run(file: Path, out: Path, workers: int = 1, **options: object) -> RunInfo:
    return run_plan(planned(file, **options), out, workers=workers, command="test")


def records(out: Path, info: RunInfo) -> dict[tuple[str, str], pd.DataFrame]:
    done = [result.cell for result in info.cells if result.status == "done"]
    return {(cell.condition.label, cell.method.label): store.read_cell(out, info, cell) for cell in done}


def files(out: Path) -> dict[Path, int]:
    return {file.relative_to(out): file.stat().st_mtime_ns for file in (out / "records").rglob("*.parquet")}


def test_direct_cells_equal_a_loop_without_the_engine(toy: Suite, tmp_path: Path) -> None:
    found = records(tmp_path / "a", run(toy(), tmp_path / "a"))[("jpeg@7", "direct")]
    from qbench import registry
    from qbench.data.scenes.dataset import Scenes

    model, data = registry.get("model", "toy").target().build(), Scenes(count=10)
    for i in range(10):
        sample = data.load(i)
        degraded, _ = Jpeg(7).apply(View(80, 64).apply(sample.image), Draw(3, sample.id))
        x = torch.from_numpy(np.ascontiguousarray(degraded.transpose(2, 0, 1)))[None].float() / 255
        logits = model.logits(x)[0].detach()
        assert found["prediction"][i] == int(logits.argmax())
        assert found["target"][i] == sample.target
        assert found["rank"][i] == int((logits > logits[sample.target]).sum())
        assert found["confidence"][i] == pytest.approx(float(logits.softmax(0).max()), abs=1e-5)
        assert found["nll"][i] == pytest.approx(float(-logits.log_softmax(0)[sample.target]), abs=1e-4)


def test_image_and_feature_methods_touch_the_model_where_they_say(toy: Suite, tmp_path: Path) -> None:
    from qbench import registry
    from qbench.data.scenes.dataset import Scenes

    found = records(tmp_path / "a", run(toy(), tmp_path / "a"))
    model, data = registry.get("model", "toy").target().build(), Scenes(count=10)
    views = [View(80, 64).apply(data.load(i).image) for i in range(4)]
    x = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        median = torch.stack([x.roll(s, 3) for s in (-1, 0, 1)]).sort(0).values[1]
        expected = {"median3": model.logits(median), "damp": model.net[2:](0.5 * model.net[:2](model.normalise(x)))}
    for method, logits in expected.items():
        assert list(found["clean", method]["prediction"][:4]) == logits.argmax(1).tolist()
        assert np.allclose(found["clean", method]["confidence"][:4], logits.softmax(1).max(1).values, atol=1e-5)


def test_one_and_two_workers_give_identical_records(toy: Suite, tmp_path: Path) -> None:
    one = records(tmp_path / "a", run(toy(), tmp_path / "a", workers=1))
    two = records(tmp_path / "b", run(toy(), tmp_path / "b", workers=2))
    assert one.keys() == two.keys()
    for key, frame in one.items():
        pd.testing.assert_frame_equal(frame, two[key], check_exact=True)


def test_a_run_stopped_anywhere_resumes_to_the_same_bytes(
    toy: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qbench.report.build import build
    from qbench.report.emit import write

    whole = run(toy(), tmp_path / "a")
    expected = [
        file.read_bytes() for file in write(build(tmp_path / "a"), tmp_path / "ra", ("md", "csv", "json", "tex"))
    ]
    real, left, again = store.write_records, 11, set()

    def stop_after(*given: Any) -> store.Stored:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return real(*given)

    def noted(*given: Any) -> store.Stored:
        again.add((given[1], given[2].name))
        return real(*given)

    monkeypatch.setattr(store, "write_records", stop_after)
    with pytest.raises(KeyboardInterrupt):
        run(toy(), tmp_path / "b")
    assert len(files(tmp_path / "b")) == 11
    monkeypatch.setattr(store, "write_records", noted)
    before = {(file.parent.name, file.stem) for file in files(tmp_path / "b")}
    resumed = run(toy(), tmp_path / "b")
    assert resumed == whole
    assert not before & again, "a file that was whole was written again"
    found = [file.read_bytes() for file in write(build(tmp_path / "b"), tmp_path / "rb", ("md", "csv", "json", "tex"))]
    assert found == expected


def test_adding_a_method_computes_only_its_own_files(toy: Suite, tmp_path: Path) -> None:
    run(toy(("methods: [direct, median3, damp]", "methods: [direct, damp]")), tmp_path / "a")
    before = files(tmp_path / "a")
    info = run(toy(), tmp_path / "a")
    after = files(tmp_path / "a")
    assert before.items() <= after.items()
    added = {file.parent.name for file in after.keys() - before.keys()}
    assert added == {result.cell.key for result in info.cells if result.cell.method.label == "median3"}


def test_a_stored_run_computes_nothing(toy: Suite, tmp_path: Path) -> None:
    run(toy(), tmp_path / "a")
    plan = planned(toy())
    assert units.missing_units(plan, units.survey(plan, tmp_path / "a")) == []


def test_limit_takes_the_first_samples_and_shares_whole_shards(toy: Suite, tmp_path: Path) -> None:
    run(toy(), tmp_path / "a", limit=9)
    before = files(tmp_path / "a")
    info = run(toy(), tmp_path / "a")
    assert {result.cell.samples for result in info.cells} == {10}
    assert before.items() <= files(tmp_path / "a").items()
    lengths = {len(frame) for frame in records(tmp_path / "a", info).values()}
    assert lengths == {10}


@pytest.mark.parametrize("cut", [0, 3, 200])
def test_a_file_cut_short_is_not_taken_for_a_result(toy: Suite, tmp_path: Path, cut: int) -> None:
    info = run(toy(), tmp_path / "a")
    victim = sorted((tmp_path / "a" / "records").rglob("*.parquet"))[5]
    whole = open_sealed(victim).read()
    left = victim.read_bytes()[:cut]
    victim.write_bytes(left)
    with pytest.raises(StoreError, match="damaged"):
        open_sealed(victim)
    with pytest.warns(UserWarning, match=rf"{victim} is damaged: .* set aside as {victim.name}\.damaged"):
        assert run(toy(), tmp_path / "a") == info
    assert repr(open_sealed(victim).read().to_pydict()) == repr(whole.to_pydict()), "bpp is NaN in both"
    assert victim.with_name(f"{victim.name}.damaged").read_bytes() == left


def test_a_failing_method_leaves_the_others_alone(toy: Suite, tmp_path: Path) -> None:
    info = run(toy(("[direct, median3, damp]", "[direct, broken, nowhere]")), tmp_path / "a")
    by_method = {result.cell.method.label: result for result in info.cells}
    assert {method: cell.status for method, cell in by_method.items()} == {
        "direct": "done", "broken": "failed", "nowhere": "n/a",
    }  # fmt: skip
    assert "out of luck" in by_method["broken"].reason
    assert "D9" in by_method["nowhere"].reason
    trace = (tmp_path / "a" / "errors" / f"{by_method['broken'].cell.key}.txt").read_text()
    assert "RuntimeError: out of luck" in trace


def test_an_unreadable_image_is_recorded_by_id_and_never_replaced(toy: Suite, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for name, label in (("a", 0), ("b", 1)):
        (root / name).mkdir(parents=True)
        for i in range(3):
            pixels = np.random.default_rng(10 * label + i).integers(0, 255, (90, 70, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    good = run(toy(("{name: scenes, count: 10}", f"{{name: imagefolder, root: {root}}}")), tmp_path / "good")
    (root / "a" / "1.png").write_bytes(b"no picture")
    text = (
        ("{name: scenes, count: 10}", f"{{name: imagefolder, root: {root}}}"),
        ("shard: 4", "shard: 4, max_bad: 0.2"),
    )
    info = run(toy(*text), tmp_path / "bad")
    assert {cell.status for cell in info.cells} == {"done"}
    frame, whole = (
        records(tmp_path / "bad", info)["clean", "direct"],
        records(tmp_path / "good", good)["clean", "direct"],
    )
    assert list(frame["id"]) == list(whole["id"]) == ["a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png", "b/2.png"]
    assert list(frame["error"] != "") == [False, True, False, False, False, False]
    assert frame["rank"][1] == -1
    assert np.isnan(frame["nll"][1])
    keep = [0, 2, 3, 4, 5]
    assert list(frame["prediction"][keep]) == list(whole["prediction"][keep])


def test_a_label_that_the_model_does_not_know_is_told_with_its_sample(toy: Suite, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.full((90, 70, 3), 99, dtype=np.uint8)).save(root / f"{name}.png")
    (root / "labels.csv").write_text("file,class_index\na.png,1\nb.png,777\n")
    info = run(toy(("{name: scenes, count: 10}", f"{{name: csv, root: {root}}}")), tmp_path / "run")
    assert {cell.status for cell in info.cells} == {"failed"}
    assert all("sample b.png: the dataset has label 777, but the model" in cell.reason for cell in info.cells)


def test_too_many_unreadable_images_fail_the_cells(toy: Suite, tmp_path: Path) -> None:
    root = tmp_path / "photos" / "a"
    root.mkdir(parents=True)
    (root / "0.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((80, 80, 3), dtype=np.uint8)).save(root / "1.png")
    info = run(toy(("{name: scenes, count: 10}", f"{{name: imagefolder, root: {root.parent}}}")), tmp_path / "a")
    assert {cell.status for cell in info.cells} == {"failed"}
    assert "1 of 2 samples cannot be used" in info.cells[0].reason


def test_records_say_which_processor_computed_them(toy: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    for name, limit in (("cpu, one", 4), ("cpu, two", 10)):
        monkeypatch.setattr(execute, "device_name", lambda device, name=name: name)
        info = run_plan(planned(toy(), limit=limit), out, workers=1, command="")
    assert info.computed_by == ("cpu, one", "cpu, two")
    assert ("computed by", "cpu, one; cpu, two (last bits may differ between them)") in build(out).provenance


def test_draws_do_not_depend_on_order_and_rejpeg_2_is_a_prefix_of_rejpeg_3() -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 40, 3), dtype=np.uint8)
    for sample in ("x", "y", "z"):
        draw = Draw(5, sample)
        twice, facts2 = Rejpeg(2).apply(image, draw)
        thrice, facts3 = Rejpeg(3).apply(image, draw)
        assert facts3["quality"][:2] == facts2["quality"]
        once_more, _ = Jpeg(facts3["quality"][2]).apply(twice, draw)
        assert np.array_equal(once_more, thrice)
    drawn = [Rejpeg(1).apply(image, Draw(5, f"{i}"))[1]["quality"][0] for i in range(200)]
    assert set(drawn) == {25, 18, 15, 10, 7}
    assert drawn == [Rejpeg(1).apply(image, Draw(5, f"{i}"))[1]["quality"][0] for i in reversed(range(200))][::-1]


def test_no_space_left_is_one_clear_error_and_leaves_nothing_half_written(
    toy: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        run(toy(), tmp_path / "a")
    assert [file for file in (tmp_path / "a").rglob("*") if file.is_file()] == []


def test_a_dataset_is_listed_once_for_the_plan_and_once_for_all_shards(
    toy: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qbench.data.scenes.dataset import Scenes

    real, asked = Scenes.manifest, []
    monkeypatch.setattr(Scenes, "manifest", lambda self: asked.append(1) or real(self))
    run(toy(("shard: 4", "shard: 1")), tmp_path / "a")
    assert len(asked) == 2


def test_a_method_may_measure_with_gradients_while_it_is_set_up(toy: Suite, tmp_path: Path) -> None:
    info = run(toy(("[direct, median3, damp]", "[direct, measured]")), tmp_path / "a")
    assert {result.cell.method.label: result.status for result in info.cells} == {"direct": "done", "measured": "done"}
