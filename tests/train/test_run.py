"""Trainings from a card to the files that they leave, through the command."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from qbench.cards import lookup as cards
from qbench.cli.app import app
from qbench.draws import keyed
from qbench.errors import QbenchError, StoreError, SuiteError, WeightsError
from qbench.registry.named import Named
from qbench.train.core.loop import Stopped
from qbench.train.run import Order, _digest, read_job, run

CARD = """\
card: dncnn-small
version: 1
title: Toy
citation: none
licence: Apache-2.0
recipes:
  photos:
    kind: restorer
    data:
      source: {dataset: {name: photos, root: "ROOT"}}
      validation: {dataset: {name: photos, root: "ROOT"}, count: 2}
    crop: {size: 24, scale: [0.7, 1.0]}
    degradation:
      - {condition: clean}
      - {weight: 3, condition: {jpeg: {quality: {between: [5, 12]}}}}
    loss: {l1: 1.0}
    stages:
      - {steps: 30, batch: 4, lr: 2.0e-3, ema: 0.9}
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(4):
        coarse = keyed(0, "photo", 0, str(i)).integers(0, 256, (10, 12, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((48, 40), Image.Resampling.BICUBIC).save(photos / f"{i}.png")
    file = tmp_path / "card.yaml"
    file.write_text(CARD.replace("ROOT", str(photos)))
    return file


def quiet(_stage: str, _done: int, _losses: Mapping[str, float]) -> None: ...


def test_the_command_writes_weights_sidecar_log_and_picture(card: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["train", str(card), "--out", str(out), "--seed", "3"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    stem = "dncnn-small-photos-s3"
    assert sorted(p.name for p in out.iterdir()) == [f"{stem}{s}" for s in (".csv", ".json", ".png", ".safetensors")]
    digest = hashlib.sha256((out / f"{stem}.safetensors").read_bytes()).hexdigest()
    facts = json.loads((out / f"{stem}.json").read_text())
    assert facts["sha256"] == digest
    assert digest in result.output
    assert (facts["steps"], facts["train_seed"], facts["short"]) == (30, 3, False)
    assert facts["measured"]["validation l1"] > 0
    assert facts["numbers"] == sum(value.numel() for value in load_file(out / f"{stem}.safetensors").values())
    assert len((out / f"{stem}.csv").read_text().splitlines()) == 31
    with Image.open(out / f"{stem}.png") as picture:
        assert min(picture.size) > 300
    again = CliRunner().invoke(app, ["train", str(card), "--out", str(out), "--seed", "3"], catch_exceptions=False)
    assert "before" in again.output


def test_what_a_reader_leaves_out_is_told_once(card: Path, tmp_path: Path) -> None:
    (card.parent / "photos" / "old.xbm").write_bytes(b"#define old_width 1")
    order = ["train", str(card), "--out", str(tmp_path / "out"), "--steps", "1"]
    result = CliRunner().invoke(app, order, catch_exceptions=False)
    notes = [line for line in result.output.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1, "source and validation are the same folder"
    assert ".xbm" in notes[0]


def test_what_is_written_is_found_and_fits_the_method(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qbench.models.base import load_weights
    from qbench.models.restoration.running import empty

    monkeypatch.setenv("QBENCH_HOME", str(tmp_path / "home"))
    trained = run(read_job(Order(card, seed=5)), quiet)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines/dncnn-small.yaml").write_text(card.read_text())
    monkeypatch.setattr(cards, "shipped", lambda relative: tmp_path / relative)
    weights = cards.find_weights("dncnn-small", None, "anything", 5)
    assert weights is not None
    assert (weights.path, weights.sha256) == (trained.weights, trained.sha256)
    load_weights(empty("dncnn-small"), weights.path)


def test_two_runs_write_the_same_bytes_and_another_seed_does_not(card: Path, tmp_path: Path) -> None:
    shas = [
        run(read_job(Order(card, out=tmp_path / name, seed=seed, steps=6)), quiet).sha256
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert shas[0] == shas[1] != shas[2]


def test_an_interrupted_command_continues_to_the_same_bytes(card: Path, tmp_path: Path) -> None:
    expected = run(read_job(Order(card, out=tmp_path / "whole", steps=8)), quiet).sha256

    def stop(_stage: str, done: int, _losses: Mapping[str, float]) -> None:
        if done == 5:
            os.kill(os.getpid(), signal.SIGINT)

    job = read_job(Order(card, out=tmp_path / "parts", steps=8))
    with pytest.raises(Stopped):
        run(job, stop)
    assert not job.weights.exists()
    assert job.checkpoint.exists()
    assert run(job, quiet).sha256 == expected
    assert not job.checkpoint.exists()


def test_a_changed_recipe_does_not_continue_the_old_one(card: Path, tmp_path: Path) -> None:
    def stop(_stage: str, done: int, _losses: Mapping[str, float]) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped):
        run(read_job(Order(card, out=tmp_path, steps=4)), stop)
    card.write_text(card.read_text().replace("lr: 2.0e-3", "lr: 1.0e-3"))
    with pytest.raises(WeightsError, match="another recipe"):
        run(read_job(Order(card, out=tmp_path, steps=4)), quiet)
    done = run(read_job(Order(card, out=tmp_path, steps=4, restart=True)), quiet)
    card.write_text(card.read_text().replace("lr: 1.0e-3", "lr: 3.0e-3"))
    again = run(read_job(Order(card, out=tmp_path, steps=4)), quiet)
    assert again.fresh
    assert again.sha256 != done.sha256


def test_a_trial_is_named_as_one_and_never_found(card: Path, tmp_path: Path) -> None:
    job = read_job(Order(card, out=tmp_path, steps=2))
    assert job.stem == "dncnn-small-photos-s0-short2"
    assert run(job, quiet).facts["short"]


def test_a_killed_process_leaves_nothing_that_looks_finished(card: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os.fsync = lambda _file: os.kill(os.getpid(), signal.SIGKILL)
        run(read_job(Order(card, out=out, steps=2)), quiet)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert [p for p in out.iterdir() if not p.name.startswith(".")] == []
    assert run(read_job(Order(card, out=out, steps=2)), quiet).fresh


def test_errors_of_a_card_name_the_place(card: Path, tmp_path: Path) -> None:
    with pytest.raises(QbenchError, match="did you mean 'photos'"):
        read_job(Order(card, "photo"))
    card.write_text(card.read_text().replace("name: photos", "name: fotos", 1))
    with pytest.raises(SuiteError, match=rf"{card}:\d+:\d+: .*did you mean 'photos'"):
        run(read_job(Order(card, out=tmp_path)), quiet)


def test_a_folder_that_cannot_be_written_is_told_before_a_step_is_trained(card: Path, tmp_path: Path) -> None:
    def never(_stage: str, _done: int, _losses: Mapping[str, float]) -> None:
        raise AssertionError("a step was trained")

    (tmp_path / "file").write_text("here")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match=rf"{out} cannot be written into: .*; choose another --out"):
            run(read_job(Order(card, out=out)), never)
    run(read_job(Order(card, out=tmp_path / "new", steps=1)), quiet)
    assert not [file for file in (tmp_path / "new").iterdir() if file.name.startswith(".")]


def test_settings_of_the_caller_come_back(card: Path, tmp_path: Path) -> None:
    torch.set_num_threads(2)
    run(read_job(Order(card, out=tmp_path, steps=1)), quiet)
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)


def test_the_loss_falls_and_the_restorer_helps(card: Path, tmp_path: Path) -> None:
    facts = run(read_job(Order(card, out=tmp_path)), quiet).facts
    rows = (tmp_path / "dncnn-small-photos-s0.csv").read_text().splitlines()[1:]
    first = sum(float(row.split(",")[1]) for row in rows[:5]) / 5
    assert facts["losses"]["l1"] < first
    assert all(
        torch.isfinite(value).all() for value in load_file(tmp_path / "dncnn-small-photos-s0.safetensors").values()
    )


def test_weights_that_a_training_starts_from_are_asked_for_and_part_of_what_it_is(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QBENCH_HOME", str(tmp_path / "home"))
    spec = read_job(Order(card)).spec
    file = tmp_path / "home" / "weights" / "afd-scenes-s4.safetensors"
    model = Named(name="smp:fpn", params={"weights": str(file)})
    job = replace(read_job(Order(card)), spec=spec.model_copy(update={"model": model}))
    with pytest.raises(WeightsError, match=r"qbench train afd scenes --seed 4$"):
        run(job, quiet)
    file.parent.mkdir(parents=True)
    digests = []
    for content in (b"one", b"one", b"another"):
        file.write_bytes(content)
        digests.append(_digest(job, {}))
    assert digests[0] == digests[1] != digests[2]
