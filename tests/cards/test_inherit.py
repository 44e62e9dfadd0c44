"""Recipes like another of their card."""

from __future__ import annotations

from pathlib import Path

import pytest

from qbench.cards import lookup as cards
from qbench.errors import SuiteError

CARD = """\
card: toy
version: 1
title: Toy
citation: none
licence: Apache-2.0
recipes:
  whole:
    kind: afd
    model: builtin:scenes
    network: {site: D2, gate: true}
    data: {source: {dataset: {name: scenes, count: 8}}}
    crop: {size: 32}
    degradation: [{condition: clean}, {condition: {jpeg: {quality: 9}}}]
    loss: {feature: 1.0}
    stages: [{steps: 10, batch: 4, lr: 1.0e-3}]
    budget: {minutes: 3}
    notes: Of the first alone.
    weights: {file: a.safetensors, sha256: "0000000000000000000000000000000000000000000000000000000000000000",
              data_licence: none}
  other:
    like: whole
    network: {gate: false, fde: none}
    data: {source: {count: 4}}
    degradation: [{condition: clean}]
"""


def card(folder: Path, text: str = CARD) -> Path:
    (folder / "toy.yaml").write_text(text)
    return folder / "toy.yaml"


def test_mappings_merge_and_lists_are_replaced(tmp_path: Path) -> None:
    recipes = cards.load_card(card(tmp_path)).recipes
    whole, other = recipes["whole"], recipes["other"]
    assert other.network == {"site": "D2", "gate": False, "fde": "none"}
    assert other.data["source"].count == 4
    assert other.data["source"].dataset == whole.data["source"].dataset
    assert (len(other.degradation), other.crop, other.stages) == (1, whole.crop, whole.stages)
    assert (other.shipped, other.budget, other.notes) == ((), None, "")
    assert whole.network == {"site": "D2", "gate": True}
    assert whole.data["source"].count is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("like: whole", "like: whale", r"toy.yaml:21:5: .*no other recipe \(did you mean 'whole'\?\)"),
        ("like: whole", "like: other", "no other recipe"),
        ("kind: afd", "like: other\n    kind: afd", "itself like another"),
        ("fde: none", "fda: none", r"toy.yaml:22:28: .*did you mean 'fde'"),
    ],
)
def test_faults_name_their_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        cards.load_card(card(tmp_path, CARD.replace(old, new)))
