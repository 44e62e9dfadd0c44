"""`qbench.run` from Python: a live network, with a dataset, condition and method of this file, against a hand loop."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import qbench
from qbench.degrade.jpeg import jpeg
from qbench.documents.faults import validated
from qbench.documents.load import Document
from qbench.draws import Draw
from qbench.errors import QbenchError, StoreError, SuiteError
from qbench.models.live import LiveModel
from qbench.runs.plan import Options, make_plan
from qbench.suite.schema import Suite
from qbench.vocabulary import Context, InputConvention, Manifest, Sample

COUNT, SIZE = 21, 32
INPUT = InputConvention(size=SIZE, resize=None, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


@qbench.dataset("api-blocks")
class Blocks:
    """Noise in which one channel, the label, is a little brighter."""

    label = "blocks"

    def __init__(self, count: int) -> None:
        self.count = count

    def manifest(self) -> Manifest:
        ids = tuple(f"b{i}" for i in range(self.count))
        return Manifest(ids, tuple(hashlib.sha256(name.encode()).hexdigest() for name in ids))

    def load(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        image = rng.integers(0, 246, (SIZE + 9, SIZE + 4, 3)).astype(np.uint8)
        image[..., index % 3] += 4
        return Sample(f"b{index}", image, index % 3, group="even" if index % 2 == 0 else None)


@qbench.condition("api-speckle")
class Speckle:
    """Drawn pixels go dark."""

    label, axis = "speckle", None

    def apply(self, image: np.ndarray, draw: Draw) -> tuple[np.ndarray, dict[str, Any]]:
        share = float(draw("speckle").uniform(0.1, 0.3))
        dark = draw("speckle", 1).random(image.shape[:2]) < share
        return np.where(dark[..., None], 0, image).astype(np.uint8), {"share": share}


@qbench.method("api-swap", site="image")
class Swap:
    """Red and blue change places, in degraded pictures of even id only: what a context is for."""

    def restore(self, images: Tensor, context: Context) -> Tensor:
        odd = torch.tensor([int(name[1:]) % 2 for name in context.ids], dtype=torch.bool).view(-1, 1, 1, 1)
        return torch.where(odd, context.degraded, images.flip(1))


def network() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(3, 3))
    with torch.no_grad():
        net[0].weight.copy_(torch.diag(torch.tensor([0.2, 0.25, 0.3])).view(3, 3, 1, 1))
        net[0].bias.copy_(torch.tensor([0.4, 0.5, 0.6]))
        net[4].weight.copy_(60 * torch.eye(3))
        net[4].bias.copy_(torch.tensor([0.0, 0.13, 0.29]))  # JPEG at 7 leaves exact ties of colour
    return net.train()


def suite(**task: Any) -> dict[str, Any]:
    conditions = ["clean", {"jpeg": {"quality": [20, 7]}}, "api-speckle"]
    spec = {
        "dataset": {"name": "api-blocks", "count": COUNT},
        "conditions": conditions,
        "methods": ["direct", "api-swap"],
    }
    return {"suite": "api", "seed": 5, "engine": {"batch": 4, "shard": 8}, "tasks": [{**spec, **task}]}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> qbench.Results:
    out = tmp_path_factory.mktemp("api")
    return qbench.run(suite(), models={"mine": network()}, input=INPUT, out=out, device="cpu", own_store=True)


def by_hand(condition: str, method: str) -> list[int]:
    """Predictions of a loop that shares no code with the engine but the declarations above."""
    net, data, found = network().eval(), Blocks(COUNT), []
    for index in range(COUNT):
        image = data.load(index).image
        image = image[4 : 4 + SIZE, 2 : 2 + SIZE]
        if condition.startswith("jpeg@"):
            image, _ = jpeg(image, int(condition.removeprefix("jpeg@")))
        elif condition == "speckle":
            image, _ = Speckle().apply(image, Draw(5, f"b{index}"))
        x = image.astype(np.float64) / 255
        if method == "api-swap" and index % 2 == 0:
            x = x[..., ::-1]
        x = (x - INPUT.mean) / INPUT.std
        with torch.no_grad():
            found.append(int(net(torch.from_numpy(x).float().permute(2, 0, 1)[None]).argmax()))
    return found


def test_predictions_and_accuracy_are_those_of_a_hand_loop(results: qbench.Results) -> None:
    records, table = results.records(), results.table().set_index(["condition", "method"])
    seen = set()
    for condition in ("clean", "jpeg@20", "jpeg@7", "speckle"):
        for method in ("direct", "api-swap"):
            rows = records[(records["condition"] == condition) & (records["method"] == method)]
            expected = by_hand(condition, method)
            assert rows["prediction"].tolist() == expected, (condition, method)
            hits = sum(guess == index % 3 for index, guess in enumerate(expected))
            assert table.loc[(condition, method), "top1"] == pytest.approx(hits / COUNT)
            seen.add(hits)
    assert len(seen) > 2, "the cells differ, or the comparison says nothing"


def test_shapes_of_records_cells_and_table(results: qbench.Results) -> None:
    records, cells, table = results.records(), results.cells(), results.table()
    assert (len(records), len(cells), len(table)) == (8 * COUNT, 8, 8)
    facets = {"dataset", "condition", "model", "method", "train_seed"}
    scores = {"target", "prediction", "rank", "top5", "confidence", "nll", "brier"}
    assert set(records) == {"id", "group", *scores, "bpp", "facts", "error"} | facets
    assert list(records["group"]) == ["" if int(name[1:]) % 2 else "even" for name in records["id"]]
    assert list(table) == ["dataset", "model", "method", "train_seed", "condition", "top1", "low", "high", "n"]
    assert set(cells["model"]) == {"mine"}
    assert set(cells["status"]) == {"done"}
    assert (table["n"] == COUNT).all()
    assert ((table["low"] <= table["top1"]) & (table["top1"] <= table["high"])).all()
    for _, rows in records.groupby(["condition", "method"]):
        assert tuple(rows["id"]) == Blocks(COUNT).manifest().ids


def test_the_live_network_is_left_as_it_was(tmp_path: Path) -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    qbench.run(suite(), models={"mine": net}, input=INPUT, out=tmp_path, device="cpu", limit=4)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_same_network_is_found_in_the_store_and_a_changed_one_is_not(
    results: qbench.Results, tmp_path: Path
) -> None:
    def keys(net: nn.Module, **options: Any) -> set[str]:
        found = qbench.run(suite(), models={"mine": net}, input=INPUT, out=tmp_path, device="cpu", limit=2, **options)
        return set(found.cells()["key"])

    first = keys(network())
    assert keys(network()) == first == set(results.cells()["key"])
    changed = network()
    with torch.no_grad():
        changed[4].bias[0] += 1e-3
    assert keys(changed).isdisjoint(first)


def test_another_input_convention_gives_other_keys(results: qbench.Results, tmp_path: Path) -> None:
    other = InputConvention(size=SIZE, resize=None)
    found = qbench.run(suite(), models={"mine": network()}, input={"mine": other}, out=tmp_path, device="cpu", limit=2)
    assert set(found.cells()["key"]).isdisjoint(results.cells()["key"])


def test_only_limit_and_out_narrow_a_run(tmp_path: Path) -> None:
    found = qbench.run(
        suite(), models={"mine": network()}, input=INPUT, out=tmp_path / "x", device="cpu", limit=3,
        only=["method=direct", "condition=jpeg@*"],
    )  # fmt: skip
    assert found.folder == tmp_path / "x"
    assert sorted(found.table()["condition"]) == ["jpeg@20", "jpeg@7"]
    assert set(found.table()["n"]) == {3}


def test_a_run_without_a_result_has_empty_tables(tmp_path: Path) -> None:
    @qbench.method("api-lost", site="image")
    class Lost:
        """Fails."""

        def restore(self, images: Tensor, context: Context) -> Tensor:
            raise RuntimeError("lost")

    asked: dict[str, Any] = {"models": {"mine": network()}, "input": INPUT, "device": "cpu", "limit": 2}
    said = r"4 of 4 cells failed; first .* / mine / api-lost: RuntimeError: lost"
    with pytest.warns(UserWarning, match=said):
        found = qbench.run(suite(methods=["api-lost"]), out=tmp_path / "warned", **asked)
    with pytest.raises(QbenchError, match=said):
        qbench.run(suite(methods=["api-lost"]), out=tmp_path / "strict", strict=True, **asked)
    assert set(found.cells()["status"]) == {"failed"}
    assert len(found.records()) == 0
    assert len(found.table()) == 0
    assert "top1" in found.table()


def test_scores_are_those_of_the_table_and_of_every_metric(results: qbench.Results) -> None:
    scores, table = results.scores(), results.table()
    assert set(scores["metric"]) == {"top1"}
    assert set(scores["task"]) == {"classification"}
    both = scores.merge(table, on=["dataset", "model", "method", "train_seed", "condition"])
    assert len(both) == len(table)
    assert both["value"].to_numpy() == pytest.approx(both["top1"].to_numpy())
    for name in ("low", "high", "n"):
        assert both[f"{name}_x"].to_numpy() == pytest.approx(both[f"{name}_y"].to_numpy())


def test_scores_of_another_task(tmp_path: Path) -> None:
    task = {
        "task": "restoration", "dataset": {"name": "scenes", "count": 2}, "models": ["identity"],
        "conditions": [{"jpeg": {"quality": 10}}], "metrics": ["psnr", "ssim"],
    }  # fmt: skip
    found = qbench.run({"suite": "other", "tasks": [task]}, out=tmp_path, device="cpu")
    scores, records = found.scores().set_index("metric"), found.records()
    for name in ("psnr", "ssim"):
        assert scores.loc[name, "value"] == pytest.approx(records[name].mean())
        assert scores.loc[name, "low"] <= scores.loc[name, "value"] <= scores.loc[name, "high"]
    assert list(scores["n"]) == [2, 2]
    assert len(found.table()) == 0


def test_a_suite_without_any_model_is_refused() -> None:
    with pytest.raises(SuiteError, match="models"):
        qbench.run(suite(), device="cpu")
    with pytest.raises(SuiteError, match=r"unknown method 'api-swop' \(did you mean 'api-swap'\?\)"):
        qbench.run(suite(methods=["api-swop"]), models={"mine": network()}, input=INPUT, device="cpu")


SESSION = """
import json
import sys
import threading

import qbench
from qbench.api import _suite
from qbench.runs.plan import Options, make_plan

suite = {"suite": "session", "tasks": [{"dataset": {"name": "scenes", "count": 2}, "models": ["builtin:scenes"],
         "conditions": ["clean"], "methods": ["mine"]}]}


def declare(share):
    @qbench.method("mine", site="image", version=VERSION)
    class Mine:
        def restore(self, images, context):
            return share * images


def key():
    return make_plan(*_suite(suite, []), Options(device="cpu")).cells[0].key


declare(0.5)
keys = [key(), key()]
declare(0.6)
keys.append(key())
print(json.dumps(keys))
"""


def session(version: str | None) -> list[str]:
    """The keys that a process without a file for its `__main__` gives: twice one declaration, then another."""
    code = SESSION.replace("VERSION", repr(version))
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    keys: list[str] = json.loads(told.stdout)
    return keys


def test_what_a_prompt_declares_is_computed_anew_in_each_process() -> None:
    first, again, declared_anew = session(None)
    assert first == again != declared_anew
    assert not {first, declared_anew} & set(session(None))


def test_what_a_prompt_declares_with_a_version_is_told_by_it() -> None:
    one, two = session("1"), session("2")
    assert len(set(one)) == len(set(two)) == 1 != len({*one, *two})
    assert session("1") == one


def test_a_live_network_is_read_once_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document({"version": 1, "changelog": {1: "one"}, **suite(models=["live:mine"])}, {})
    asked: list[int] = []
    model = LiveModel("mine", network(), INPUT, {})
    monkeypatch.setattr(LiveModel, "identity", lambda self: asked.append(1) or {})
    plan = make_plan(validated(Suite, document), document, Options(device="cpu", live={"live:mine": model}))
    assert (len(plan.cells), len(asked)) == (8, 1)


class Locked(nn.Module):
    """A network that cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class Several(nn.Module):
    """A network that gives two tensors, of which the second is its prediction."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, self.net(images)


def test_an_output_is_chosen_by_name_or_number(results: qbench.Results, tmp_path: Path) -> None:
    run = partial(qbench.run, suite(), models={"mine": Several()}, input=INPUT, device="cpu")
    for number, output in enumerate((1, {"mine": 1})):
        assert run(output=output, out=tmp_path / str(number)).table().equals(results.table())
    with pytest.raises(
        QbenchError, match=r"a tuple of 0 \(tensor .*\), 1 \(tensor \[4, 3\]\); name the one .* `output`"
    ):
        run(out=tmp_path / "none", strict=True)


def test_a_live_restorer_sees_whole_pictures_as_they_are(tmp_path: Path) -> None:
    """It does what the model `identity` does, and in a task of another kind it sees what its kind does."""
    task = {
        "task": "restoration", "dataset": {"name": "scenes", "count": 2}, "models": ["identity"],
        "conditions": [{"jpeg": {"quality": 30}}], "metrics": ["psnr"],
    }  # fmt: skip
    shape = {"dataset": {"name": "scenes", "count": 2}, "conditions": ["clean"]}
    found = qbench.run(
        {"suite": "both", "tasks": [task, shape]}, models={"mine": nn.Identity()}, out=tmp_path, device="cpu"
    )
    psnr = found.scores().set_index("model")["value"]
    assert psnr["mine"] == psnr["identity"] > 25
    cells = found.cells().set_index(["task", "model"])
    assert cells.loc[("classification", "mine"), "status"] == "failed"
    assert "a tensor of [2, 3, 224, 224], and" in cells.loc[("classification", "mine"), "reason"]
    centred = qbench.run(
        {"suite": "one", "tasks": [task]}, models={"mine": nn.Identity()}, out=tmp_path / "own", device="cpu",
        input=InputConvention(size=None, resize=None),
    )  # fmt: skip
    assert centred.scores().set_index("model")["value"]["mine"] < 15, "what the caller says comes first"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"models": {"mine": "resnet18"}},
            r"models\['mine'\] is to be a torch.nn.Module, not 'resnet18'; .*timm:resnet18",
        ),
        ({"input": {"mien": INPUT}}, r"input\['mien'\] is for no model of `models` \(did you mean 'mine'\?\)"),
        ({"limit": 0}, "the limit is at least 1 sample of every dataset, not 0"),
        ({"output": {"mien": 1}}, r"output\['mien'\] is for no model of `models` \(did you mean 'mine'\?\)"),
        ({"models": {"mine": nn.LazyLinear(3)}}, r"models\['mine'\]: 'weight' has no shape yet; run the network once"),
        (
            {"models": {"mine": nn.Conv2d(3, 3, 1, device="meta")}},
            r"models\['mine'\]: 'weight' is on the device meta and holds no values; load its weights first",
        ),
        (
            {"models": {"mine": Locked()}},
            r"models\['mine'\] cannot be copied, and a run works with a copy: TypeError: cannot pickle '_thread.lock'",
        ),
        ({"device": "cuda:999"}, "--device cuda:999 is not here: torch can use cpu"),
        ({"device": "gpu"}, "--device takes auto, cpu, cuda, cuda:N or mps, not 'gpu'; this machine has cpu"),
    ],
)
def test_what_a_caller_gives_wrong_is_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(QbenchError, match=said):
        qbench.run(suite(), **{"models": {"mine": network()}, "device": "cpu", **options})


def test_out_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(StoreError, match=r"file is a file; name a folder"):
        qbench.run(suite(), models={"mine": network()}, input=INPUT, out=tmp_path / "file", device="cpu")


@pytest.mark.parametrize(
    "task",
    [
        {"methods": ["api-swap"]},
        {"conditions": [{"chain": {"steps": ["api-speckle"]}}]},
        {"dataset": {"name": "api-blocks", "count": 3}},
    ],
)
def test_what_this_process_alone_declares_is_refused_with_several_workers(task: dict[str, Any], tmp_path: Path) -> None:
    plain = {"dataset": {"name": "scenes", "count": 2}, "conditions": ["clean"], "methods": ["direct"]}
    asked = suite(models=["builtin:scenes"], **{**plain, **task})
    with pytest.raises(
        SuiteError, match=r"'api-\w+' is declared in tests\.test_api, .*; use one worker, or name tests\.test_api in"
    ):
        qbench.run(asked, out=tmp_path, device="cpu", workers=2)
    found = qbench.run(suite(models=["builtin:scenes"], **plain), out=tmp_path, device="cpu", workers=2)
    assert set(found.cells()["status"]) == {"done"}
