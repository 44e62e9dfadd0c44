"""The schedule: every cell once, and every shared step once."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from qbench.compute.cell import Cell, ConditionItem, DatasetItem, Item, MethodItem
from qbench.compute.schedule import AtView, Placed, schedule
from qbench.data.views import View, ViewSpec
from qbench.registry.named import text_of

VIEWS = {"small": View(64, 64), "large": View(128, 128)}
SITES = {"none": "", "image": "", "feature": "D2", "model": ""}


def placed(
    condition: str, model: str, method: str, site: str, at: str = "", seed: int = 0, view: str = "small"
) -> Placed:
    cell = Cell(
        key=f"{condition} {model} {method} {site} {at} {seed}",
        task="classification",
        source=0,
        dataset=DatasetItem(name="scenes", label="scenes", own_label="scenes"),
        view=ViewSpec(),
        condition=ConditionItem(name=condition, label="?", family=condition, axis=None),
        model=Item(name=model, label="?"),
        method=MethodItem(name=method, label="?", site=site),
        train_seed=seed,
        samples=1,
        weights_sha256=str(seed),
        metrics=(),
        cost="",
    )
    return Placed(cell, VIEWS[view], at)


def steps(found: list[AtView]) -> tuple[int, int, int]:
    """Degradations, restorations and stems."""
    conditions = [condition for at_view in found for condition in at_view.conditions]
    restorations = sum(len(condition.restored) for condition in conditions)
    return len(conditions), restorations, sum(len(condition.stems) for condition in conditions)


def test_a_restoration_is_shared_by_models_and_a_stem_by_methods() -> None:
    cells = [placed("jpeg", model, "arcnn", "image") for model in "abc"]
    cells += [placed("jpeg", "a", method, "feature", "D2") for method in ("afd", "damp")]
    cells += [placed("jpeg", "a", "direct", "none")]
    assert steps(schedule(cells)) == (1, 1, 1)


def test_two_sites_are_two_stems_and_two_trainings_are_two_restorations() -> None:
    cells = [placed("jpeg", "a", "afd", "feature", site) for site in ("D1", "D2")]
    cells += [placed("jpeg", "a", "arcnn", "image", seed=seed) for seed in (0, 1)]
    assert steps(schedule(cells)) == (1, 2, 2)


def test_labels_separate_nothing() -> None:
    one = placed("jpeg", "a", "arcnn", "image")
    relabelled = one.cell.model_copy(update={"method": one.cell.method.model_copy(update={"label": "mine"})})
    assert steps(schedule([one, Placed(relabelled, one.view)])) == (1, 1, 0)


def test_each_view_sees_its_own_degradation() -> None:
    cells = [placed("jpeg", "a", "direct", "none", view=view) for view in VIEWS]
    assert steps(schedule(cells)) == (2, 0, 0)


FACETS = st.tuples(*(st.sampled_from(values) for values in (("clean", "jpeg"), ("a", "b"), tuple(SITES), tuple(VIEWS))))


@given(st.lists(FACETS, max_size=12))
def test_every_cell_stands_in_the_schedule_once(facets: list[tuple[str, str, str, str]]) -> None:
    cells = [
        placed(condition, model, f"of {site}", site, SITES[site], view=view) for condition, model, site, view in facets
    ]
    found = schedule(cells)
    listed = [cell for at_view in found for condition in at_view.conditions for cell in condition.cells]
    assert sorted(cell.key for cell in listed) == sorted(one.cell.key for one in cells)
    for at_view, condition in itertools.chain.from_iterable(((a, c) for c in a.conditions) for a in found):
        assert len({text_of(cell.condition) for cell in condition.cells}) == 1
        assert {one.view for one in cells if one.cell in condition.cells} == {at_view.view} or len(cells) > 1
