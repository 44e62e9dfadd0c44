from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from qbench.errors import QbenchError, StoreError, WeightsError
from qbench.storage import files
from qbench.train.core.batches import Batch
from qbench.train.core.checkpoint import State
from qbench.train.core.loop import Stopped, train
from qbench.train.core.recipe import Optimiser, Recipe, Stage

from .pictures import batches, tiny_recipe


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def quiet(_stage: str, _done: int, _losses: Mapping[str, float]) -> None: ...


def bits(recipe: Recipe) -> dict[str, bytes]:
    return {key: value.contiguous().numpy().tobytes() for key, value in recipe.modules["net"].state_dict().items()}


def whole(tmp_path: Path) -> tuple[dict[str, bytes], State]:
    recipe = tiny_recipe(tmp_path)
    state = train(recipe, tmp_path / "whole.safetensors", "d", quiet)
    return bits(recipe), state


def interrupted_at(step: int) -> object:
    def report(_stage: str, done: int, _losses: Mapping[str, float]) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGINT)

    return report


@pytest.mark.parametrize("step", [1, 5, 8, 9, 13])
def test_a_resumed_training_ends_in_the_same_bits(tmp_path: Path, step: int) -> None:
    expected, logged = whole(tmp_path)
    with pytest.raises(Stopped, match=f"step {step}"):
        train(tiny_recipe(tmp_path), tmp_path / "c.safetensors", "d", interrupted_at(step))  # type: ignore[arg-type]
    recipe = tiny_recipe(tmp_path)
    state = train(recipe, tmp_path / "c.safetensors", "d", quiet)
    assert bits(recipe) == expected
    assert state.log == logged.log
    assert len(state.log["l1"]) == 14


def test_two_runs_are_identical_and_the_loss_falls(tmp_path: Path) -> None:
    first, state = whole(tmp_path)
    second, _ = whole(tmp_path)
    assert first == second
    recipe = tiny_recipe(tmp_path, (60, 1))
    long = train(recipe, tmp_path / "long.safetensors", "d", quiet).log["l1"]
    assert sum(long[-11:-1]) < 0.9 * sum(long[:10])
    assert state.stage == 1


def test_checkpoints_are_written_by_the_clock_and_continue_after_a_kill(tmp_path: Path) -> None:
    expected, _ = whole(tmp_path)

    class Killed(Exception): ...

    def kill(_stage: str, done: int, _losses: Mapping[str, float]) -> None:
        if done == 11:
            raise Killed

    ticks = iter(range(10_000))
    with pytest.raises(Killed):
        train(tiny_recipe(tmp_path), tmp_path / "c.safetensors", "d", kill, seconds=3, clock=lambda: float(next(ticks)))
    recipe = tiny_recipe(tmp_path)
    state = State.load(tmp_path / "c.safetensors", "d", recipe)
    assert 5 < state.steps < 11
    train(recipe, tmp_path / "c.safetensors", "d", quiet)
    assert bits(recipe) == expected


def test_a_checkpoint_of_another_recipe_or_cut_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    with pytest.raises(Stopped):
        train(tiny_recipe(tmp_path), file, "d", interrupted_at(3))  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match="--restart"):
        train(tiny_recipe(tmp_path), file, "other", quiet)
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(WeightsError, match="--restart"):
        train(tiny_recipe(tmp_path), file, "d", quiet)


def test_a_crash_while_writing_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out.bin"
    files.write_bytes(file, b"old")

    def crash(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(StoreError, match="No space left"):
        files.write_bytes(file, b"new content")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    with torch.no_grad():
        recipe.modules["net"].last.bias.fill_(math.nan)  # type: ignore[union-attr, operator]
    with pytest.raises(QbenchError, match="not finite in step 1 of stage0"):
        train(recipe, tmp_path / "c.safetensors", "d", quiet)


@pytest.mark.parametrize("order", [("maker", "judge"), ("judge", "maker")])
def test_each_optimiser_follows_its_own_losses_from_one_forward_pass(tmp_path: Path, order: tuple[str, str]) -> None:
    """An adversarial pair: each player's gradient must be that of its own loss at the weights before the step."""
    maker, judge = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        maker.weight.fill_(2.0)
        judge.weight.fill_(3.0)

    def step(_batches: Mapping[str, Batch], _i: int) -> Mapping[str, Tensor]:
        output = maker(torch.ones(1, 1))
        return {"maker": judge(output).sum(), "judge": -judge(output.detach()).sum()}

    def plain(module: nn.Module, loss: str) -> Optimiser:
        sgd = torch.optim.SGD([{"params": list(module.parameters()), "initial_lr": 0.1}], lr=0.1)
        return Optimiser(sgd, lambda _: 1.0, (loss,))

    players = {"maker": plain(maker, "maker"), "judge": plain(judge, "judge")}
    stage = Stage("pair", 1, {"source": batches(tmp_path)}, {name: players[name] for name in order}, step)
    train(Recipe({"maker": maker, "judge": judge}, [stage], dict, dict), tmp_path / "c.safetensors", "d", quiet)
    assert maker.weight.item() == pytest.approx(2.0 - 0.1 * 3.0)
    assert judge.weight.item() == pytest.approx(3.0 + 0.1 * 2.0)


def test_the_averages_take_the_place_of_the_weights_at_the_stage_end(tmp_path: Path) -> None:
    """Against the recurrence written out: decay min(ema, (1 + t) / (10 + t))."""
    recipe = tiny_recipe(tmp_path, (5, 1))
    seen: list[Tensor] = [recipe.modules["net"].first.weight.detach().clone()]  # type: ignore[union-attr, operator]

    def watch(_stage: str, _done: int, _losses: Mapping[str, float]) -> None:
        seen.append(recipe.modules["net"].first.weight.detach().clone())  # type: ignore[union-attr, operator]

    only = replace(recipe, stages=recipe.stages[:1])
    train(only, tmp_path / "c.safetensors", "d", watch)
    average = seen[0]
    for t, weights in enumerate(seen[1:]):
        decay = min(0.9, (1 + t) / (10 + t))
        average = decay * average + (1 - decay) * weights
    assert torch.allclose(recipe.modules["net"].first.weight, average, atol=1e-7)  # type: ignore[arg-type]
