"""Parameters that are drawn for every sample, and conditions in a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from qbench import registry
from qbench.degrade.chain import Chain, condition_from
from qbench.degrade.drawn import Drawn, inner, prepared
from qbench.degrade.jpeg import Jpeg, Rejpeg
from qbench.draws import Draw, keyed
from qbench.errors import SuiteError
from qbench.keys import versions as fingerprints
from qbench.registry.create import create
from qbench.registry.named import Named
from qbench.runs.plan import Options, load_suite, make_plan

Suite = Callable[..., Path]


def picture(seed: int = 0, height: int = 40, width: int = 56) -> np.ndarray[Any, np.dtype[np.uint8]]:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(0, 9, (height, width, 3)), axis=1).clip(-128, 127).astype(np.int16).astype(np.uint8)


def drawn(name: str, **params: Any) -> Drawn:
    condition = prepared(registry.get("condition", name), params)
    assert isinstance(condition, Drawn)
    return condition


def test_a_drawn_parameter_is_the_condition_with_that_value() -> None:
    some = drawn("jpeg", quality={"any": [25, 7]})
    for sample in ("a", "b", "c", "d"):
        degraded, facts = some.apply(picture(), Draw(3, sample))
        quality = [25, 7][int(keyed(3, "mix/quality", 0, sample).choice(2))]
        assert facts["drawn"] == {"quality": quality}
        assert np.array_equal(degraded, Jpeg(quality).apply(picture(), Draw(3, sample))[0])


def test_whole_numbers_come_with_both_ends_and_evenly() -> None:
    values = [drawn("jpeg", quality={"between": [5, 8]})._parameters(Draw(0, str(i)))["quality"] for i in range(800)]
    counts = np.bincount(values, minlength=9)[5:]
    assert counts.sum() == 800
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200 * 0.75)


@pytest.mark.parametrize(("by", "median"), [(None, 8.0), ("log", 4.0)])
def test_spans_are_even_by_difference_or_by_ratio(by: str | None, median: float) -> None:
    entry = registry.Entry("condition", "toy", lambda sigma: float(sigma))
    span = {"between": [1.0, 16.0 if by else 15.0], **({"by": by} if by else {})}
    condition = prepared(entry, {"sigma": span})
    assert isinstance(condition, Drawn)
    values = np.array([condition._parameters(Draw(0, str(i)))["sigma"] for i in range(2000)])
    assert values.min() >= 1
    assert values.max() <= 16
    assert abs((values < median).mean() - 0.5) < 4 * 0.5 / np.sqrt(2000)


def test_labels_say_what_is_drawn() -> None:
    assert drawn("jpeg", quality={"any": [25, 7]}).label == "jpeg(quality 25|7)"
    assert drawn("rejpeg", times={"between": [2, 4]}, quality=9).label == "rejpeg(quality 9, times 2–4)"


@pytest.mark.parametrize(
    "wrong",
    [{"any": []}, {"between": [5, 9], "by": "square"}, {"between": [9, 5]}, {"between": [5]}, {"betwen": [5, 9]}],
)
def test_a_wrong_range_names_the_parameter(wrong: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        prepared(registry.get("condition", "jpeg"), {"quality": wrong})
    assert caught.value.errors()[0]["loc"] == ("quality",)
    assert "between: [low, high]" in str(caught.value)


def test_every_value_that_may_be_drawn_is_checked_before() -> None:
    for wrong in ({"any": [50, 101]}, {"between": [0, 9]}):
        with pytest.raises(ValidationError, match=r"1\.\.100"):
            prepared(registry.get("condition", "jpeg"), {"quality": wrong})


STEPS = (
    {"jpeg": {"quality": 30}},
    {"rejpeg": {"times": 2, "quality": {"any": [25, 7]}}},
    {"jpeg": {"quality": {"any": [50, 9]}}},
)


def test_a_chain_is_its_steps_one_after_the_other() -> None:
    chain = Chain(steps=STEPS)
    expected, draw = picture(), Draw(1, "x")
    expected, _ = Jpeg(30).apply(expected, draw)
    expected, rejpeg = Rejpeg(2).__class__(2, {"any": [25, 7]}).apply(expected, draw.within("1"))
    quality = [50, 9][int(keyed(1, "2/mix/quality", 0, "x").choice(2))]
    expected, last = Jpeg(quality).apply(expected, draw)
    degraded, facts = chain.apply(picture(), draw)
    assert np.array_equal(degraded, expected)
    assert facts["steps"][1] == rejpeg
    assert facts["bpp"] == last["bpp"]
    assert chain.label == "jpeg@30 → rejpeg×2 → jpeg(quality 50|9)"


def test_the_beginning_of_a_chain_does_not_depend_on_its_end() -> None:
    for sample in "abc":
        long, short = (Chain(steps=STEPS[:n]).apply(picture(), Draw(0, sample))[1]["steps"] for n in (3, 2))
        assert long[:2] == short


def test_equal_steps_draw_apart() -> None:
    step = {"rejpeg": {"times": 1, "quality": {"any": list(range(1, 101))}}}
    facts = Chain(steps=(step, step)).apply(picture(), Draw(0, "x"))[1]["steps"]
    assert facts[0]["quality"] != facts[1]["quality"]


def test_a_chain_may_hold_chains() -> None:
    inner = {"chain": {"steps": [{"jpeg": {"quality": 20}}]}}
    both = Chain(steps=(inner, "clean"))
    assert [entry.name for entry in both.runs_through] == ["chain", "clean", "jpeg"]
    assert np.array_equal(both.apply(picture(), Draw(0, "a"))[0], Jpeg(20).apply(picture(), Draw(0, "a"))[0])


def test_one_condition_from_what_a_suite_writes() -> None:
    assert condition_from("clean").label == "clean"
    assert condition_from({"jpeg": {"quality": 9}}).label == "jpeg@9"
    with pytest.raises(ValidationError, match="did you mean 'jpeg'"):
        condition_from("jpg")


def cells(file: Path) -> dict[str, str]:
    suite, document = load_suite(file)
    return {cell.condition.label: cell.key for cell in make_plan(suite, document, Options(device="cpu")).cells}


def plain(toy: Suite, line: str, name: str = "chain.yaml") -> Path:
    return toy(("- rejpeg: {times: [2, 3]}", line), ("models: [toy]", "models: ['builtin:scenes']"),
               ("[direct, median3, damp]", "[direct]"), name=name)  # fmt: skip


def test_a_chain_in_a_suite_is_one_condition_with_a_key_of_all_its_parts(
    toy: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = plain(toy, "- chain: {steps: [{jpeg: {quality: 30}}, {webp: {quality: 20}}], label: messenger}")
    before = cells(file)
    assert set(before) == {"clean", "jpeg@25", "jpeg@7", "messenger"}
    version = fingerprints.library_version
    monkeypatch.setattr(fingerprints, "library_version", lambda n: "0" if n == "libwebp" else version(n))
    after = cells(file)
    assert {label for label in before if before[label] != after[label]} == {"messenger"}
    monkeypatch.undo()
    chain = create(
        "condition", Named(name="chain", params={"steps": [{"jpeg": {"quality": 9}}, {"webp": {"quality": 9}}]})
    )
    assert {entry.name for entry in inner(chain)} == {"jpeg", "webp"}, "their code is part of the chain's keys"


@pytest.mark.parametrize(
    ("line", "at", "said"),
    [
        ("- chain: {steps: [{jpeg: {quality: 0}}]}", "quality", "1..100, not 0"),
        ("- chain: {steps: [clean, {jpeg: {qualty: 3}}]}", "qualty", "did you mean 'quality'"),
        ("- chain: {steps: [clean, jpg]}", "jpg", "step 2: unknown condition 'jpg' (did you mean 'jpeg'?)"),
        ("- chain: {steps: []}", "steps", "at least 1 item"),
        ("- jpeg: {quality: {between: [9, 5]}}", "quality", "between: [low, high]"),
    ],
)
def test_faults_inside_a_chain_name_their_place(toy: Suite, line: str, at: str, said: str) -> None:
    with pytest.raises(SuiteError) as caught:
        cells(plain(toy, line))
    assert said in str(caught.value)
    assert caught.value.place is not None
    assert (caught.value.place.line, caught.value.place.column) == (12, 7 + line.index(at))
