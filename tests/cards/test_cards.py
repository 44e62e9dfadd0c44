from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from qbench.cards import lookup as cards
from qbench.errors import QbenchError, SuiteError, WeightsError

CARD = """\
card: toy
version: 1
title: Toy
citation: none
licence: Apache-2.0
recipes:
  scenes:
    kind: restorer
    serves: {dataset: "scenes*"}
    data:
      source: {dataset: {name: scenes, count: 8, split: train}}
    crop: {size: 32}
    degradation:
      - {condition: clean}
      - {weight: 2, condition: {jpeg: {quality: {between: [5, 25]}}}}
    loss: {l1: 1.0}
    stages:
      - {steps: 10, batch: 4, lr: 1.0e-3}
    weights: {file: toy-scenes-s0.safetensors, sha256: SHA, data_licence: Apache-2.0}
  photos:
    kind: restorer
    data:
      source: {dataset: {name: photos, root: nowhere}}
    crop: {size: 32}
    degradation: [{condition: clean}]
    loss: {l1: 1.0}
    stages:
      - {steps: 10, batch: 4, lr: 1.0e-3}
"""


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shipped folder with the toy card and its weights, and an empty user's folder."""
    shipped = tmp_path / "baselines"
    (shipped / "weights").mkdir(parents=True)
    (shipped / "weights" / "toy-scenes-s0.safetensors").write_bytes(b"shipped")
    (shipped / "toy.yaml").write_text(CARD.replace("SHA", sha(b"shipped")))
    monkeypatch.setattr(cards, "shipped", lambda relative: tmp_path / relative)
    monkeypatch.setenv("QBENCH_HOME", str(tmp_path / "home"))
    return tmp_path


def trained(home: Path, recipe: str, seed: int, content: bytes = b"own", expected: bytes = b"own") -> Path:
    """Weights in the user's folder, and a sidecar with the digest of `expected`."""
    file = home / "home" / "weights" / f"toy-{recipe}-s{seed}.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    file.with_suffix(".json").write_text(json.dumps({"sha256": sha(expected)}))
    return file


def test_shipped_weights_come_first_and_carry_their_licence(home: Path) -> None:
    trained(home, "scenes", 0)
    weights = cards.find_weights("toy", None, "scenes", 0)
    assert weights == cards.Weights(
        home / "baselines/weights/toy-scenes-s0.safetensors", sha(b"shipped"), "scenes", home / "baselines/toy.yaml",
        "Apache-2.0",
    )  # fmt: skip


def test_the_users_own_come_where_nothing_ships(home: Path) -> None:
    scenes, photos = trained(home, "scenes", 1), trained(home, "photos", 0)
    both = [cards.find_weights("toy", None, "scenes", 1), cards.find_weights("toy", "timm:resnet50", "imagenet", 0)]
    assert [weights.path for weights in both if weights] == [scenes, photos]


def test_the_first_recipe_that_serves_decides_and_a_named_one_overrides(home: Path) -> None:
    trained(home, "photos", 0)
    named = cards.find_weights("toy", None, "scenes", 0, "photos")
    assert named is not None
    assert named.recipe == "photos"
    with pytest.raises(QbenchError, match="did you mean 'photos'"):
        cards.find_weights("toy", None, "scenes", 0, "photo")


def test_missing_weights_are_none_with_the_command_that_makes_them(home: Path) -> None:
    assert cards.find_weights("toy", None, "imagenet", 3) is None
    assert "qbench train toy photos --seed 3" in cards.missing("toy", None, "imagenet", 3)
    assert cards.find_weights("nobody", None, None, 0) is None
    assert "no card" in cards.missing("nobody", None, None, 0)


@pytest.mark.parametrize("name", cards.card_names())
def test_recipes_of_what_works_inside_a_model_say_in_which(name: str) -> None:
    """Else the first such recipe is told to users of every model."""
    inside = {"afd", "quac", "quarf", "finetune"}
    recipes = cards.load_card(cards.card_path(name)).recipes
    assert [recipe for recipe, spec in recipes.items() if spec.kind in inside and spec.serves.model == "*"] == []


def test_a_recipe_serves_by_any_name_of_a_model_and_dataset(home: Path) -> None:
    assert cards.find_weights("toy", ("smp:fpn", "smp:fpn-resnet18"), ("masks", "masks:scenes"), 0) is None
    file = home / "baselines/toy.yaml"
    narrow = 'serves: {model: "smp:fpn-*", dataset: "masks:scenes"}'
    file.write_text(file.read_text().replace('serves: {dataset: "scenes*"}', narrow))
    weights = cards.find_weights("toy", ("smp:fpn", "smp:fpn-resnet18"), ("masks", "masks:scenes"), 0)
    assert weights is not None
    assert weights.recipe == "scenes"
    assert cards.find_weights("toy", ("smp:fpn", "smp:fpn-resnet18"), ("masks", "masks:streets"), 0) is None


def test_weights_that_a_training_would_leave_are_told_with_its_command(home: Path) -> None:
    folder = home / "home" / "weights"
    with pytest.raises(WeightsError, match=r"make them with: qbench train toy photos --seed 3$"):
        cards.check_made(folder / "toy-photos-s3.safetensors")
    for elsewhere in (home / "toy-photos-s3.safetensors", folder / "toy-pictures-s3.safetensors", None):
        cards.check_made(elsewhere)
    cards.check_made(trained(home, "photos", 3))


def test_weights_that_are_not_what_was_promised_are_an_error(home: Path) -> None:
    trained(home, "photos", 0, content=b"changed", expected=b"own")
    with pytest.raises(WeightsError, match=r"qbench train toy photos --seed 0 --restart"):
        cards.find_weights("toy", None, "imagenet", 0)
    (home / "baselines/weights/toy-scenes-s0.safetensors").write_bytes(b"planted")
    with pytest.raises(WeightsError, match=r"toy\.yaml says"):
        cards.find_weights("toy", None, "scenes", 0)


def test_own_weights_without_a_sidecar_are_an_error(home: Path) -> None:
    trained(home, "photos", 0).with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match="sidecar"):
        cards.find_weights("toy", None, "imagenet", 0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lr: 1.0e-3}\n    weights", "lr: 1.0e-3, shedule: step}\n    weights", "did you mean 'schedule'"),
        ("steps: 10", "steps: 0", "steps"),
        ("kind: restorer", "kind: restoror", "kind"),
        ("loss: {l1: 1.0}", "loss: {l2: 1.0}", "did you mean 'l1'"),
        ("source:", "sauce:", "did you mean 'source'"),
        ("kind: restorer", "kind: finetune\n    loss: {kl: 1}\n    model: null", "second time"),
        ("sha256: SHA", "sha256: abc", "sha256"),
        ("  scenes:\n", "  sce/nes:\n", "letters, digits"),
        ("crop: {size: 32}", "crop: {size: 32, scale: [1.0, 0.5]}", "smaller to the larger"),
        ("    crop: {size: 32}", "    network: {residul: true}\n    crop: {size: 32}", "did you mean 'residual'"),
        (
            "    crop: {size: 32}",
            "    network: {residual: 3}\n    crop: {size: 32}",
            "expected true or false",
        ),
        ("title: Toy\n", "", "'title' is missing"),
    ],
)
def test_errors_name_file_line_and_column(tmp_path: Path, old: str, new: str, said: str) -> None:
    card = tmp_path / "toy.yaml"
    card.write_text(CARD.replace(old, new, 1).replace("SHA", "a" * 64))
    with pytest.raises(SuiteError) as caught:
        cards.load_card(card)
    assert said in str(caught.value)
    file, line, column, _ = str(caught.value).split(":", 3)
    assert (file, line.isdigit(), column.isdigit()) == (str(card), True, True)


def test_the_line_of_an_unknown_key(tmp_path: Path) -> None:
    card = tmp_path / "toy.yaml"
    text = CARD.replace("SHA", "a" * 64).replace("crop: {size: 32}", "crop: {size: 32, flp: true}", 1)
    card.write_text(text)
    with pytest.raises(SuiteError, match="did you mean 'flip'") as caught:
        cards.load_card(card)
    line = next(n for n, content in enumerate(text.splitlines(), 1) if "flp" in content)
    assert str(caught.value).startswith(f"{card}:{line}:{text.splitlines()[line - 1].index('flp') + 1}:")


def test_cards_are_found_by_bare_name_or_path(home: Path) -> None:
    assert cards.card_path("toy") == home / "baselines/toy.yaml"
    assert cards.card_path(str(home / "baselines/toy.yaml")).name == "toy.yaml"
    with pytest.raises(QbenchError, match="did you mean 'toy'"):
        cards.card_path("toi")
    with pytest.raises(QbenchError, match="does not exist"):
        cards.card_path("folder/none.yaml")


def test_a_card_with_several_recipes_wants_one_named(home: Path) -> None:
    card = cards.load_card(home / "baselines/toy.yaml")
    with pytest.raises(QbenchError, match="scenes photos"):
        cards.recipe_of(card, None)


def test_every_shipped_card_is_valid_and_its_weights_lie_there() -> None:
    from qbench.storage.shipped import shipped

    assert cards.card_names()
    for name in cards.card_names():
        card = cards.load_card(shipped("baselines") / f"{name}.yaml")
        assert card.card == name
        for recipe, spec in card.recipes.items():
            for ref in spec.shipped:
                weights = cards.find_weights(name, None, None, ref.train_seed, recipe)
                assert weights is not None
                assert weights.path.name == ref.file


@pytest.mark.parametrize("method", ["camvid-segmenter", "finetune", "afd"])
def test_the_suite_of_streets_finds_its_recipes(method: str) -> None:
    names = ("smp:fpn", "smp:fpn-tu-tf_efficientnet_lite0"), ("masks", "masks:camvid")
    assert "make them with: qbench train" in cards.missing(method, *names, 0)
    assert cards.missing(method, *names, 0).endswith(f"{method} camvid --seed 0")
