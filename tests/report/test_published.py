"""A paper's figures: the data agree with themselves, and stand beside ours."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from fake_run import FakeRun, row, table

from qbench.errors import QbenchError
from qbench.report.build import build
from qbench.report.render import RENDERERS
from qbench.storage.shipped import shipped
from qbench.suite.published import read_paper, shown

PAPERS = sorted(file.stem for file in shipped("baselines/published").glob("*.yaml"))


@pytest.mark.parametrize("name", PAPERS)
def test_printed_averages_are_the_means_of_their_cells_but_for_the_misprints_listed(name):
    for paper_table in read_paper(name).tables.values():
        wrong = set()
        for printed in paper_table.averages:
            rows = [r for r in paper_table.rows if r.model == printed.model and r.condition != "clean"]
            for place, (method, value) in enumerate(zip(paper_table.methods, printed.values, strict=True)):
                mean = sum(Decimal(str(row.values[place])) for row in rows) / len(rows)
                if abs(mean - Decimal(str(value))) > Decimal("0.005"):
                    wrong.add((printed.model, method, value, float(mean)))
        assert wrong == {(m.model, m.method, m.printed, m.mean) for m in paper_table.misprints}, paper_table.where


def cells(number):
    """(model, condition, column of the paper): figure."""
    table = read_paper("afd").tables[str(number)]
    return {
        (row.model, row.condition, method): value
        for row in table.rows
        for method, value in zip(table.methods, row.values, strict=True)
    }


def test_the_paper_repeats_itself_without_a_slip():
    """Tables I to IV and X give columns of table V again; a slip of transcription in either would show."""
    main = cells(5)
    repeated = {
        1: {("ResNet-50", "D2"): "Ours", ("RepVGG-A2", "D1"): "Ours"},
        2: {("ResNet-50", "DirectTest"): "DirectTest", ("ResNet-50", "FE-Net + Rearranged DCT Coefficients"): "Ours"},
        3: {("ResNet-50", "DirectTest"): "DirectTest", ("ResNet-50", "Rearranged DCT Coefficients"): "Ours"},
        4: {("ResNet-50", "UNet"): "Ours"},
        10: {("ResNet-50", "Direct Test"): "DirectTest", ("ResNet-50", "Ours"): "Ours"},
    }
    compared = 0
    for number, columns in repeated.items():
        for (model, condition, method), value in cells(number).items():
            if (model, method) in columns and condition != "clean":
                assert value == main[model, condition, columns[model, method]], (number, model, condition, method)
                compared += 1
    assert compared == 6 + 8 + 8 + 5 + 10


def test_gains_that_the_text_states():
    """IV-F4: +5.9 on AVIF at 7, and 1.46, 0.57 and 1.20 over PANet, Restormer and DDP; IV-F5: +9.11 and -5.72."""
    avif, tuned = cells(9), cells(10)
    ours = avif["ResNet-50", "avif@7", "Ours"]
    gains = {name: round(ours - avif["ResNet-50", "avif@7", name], 2) for name in
             ("Direct Test", "PANet", "Restormer", "DDP")}  # fmt: skip
    assert gains == {"Direct Test": 5.9, "PANet": 1.46, "Restormer": 0.57, "DDP": 1.2}
    gap = {name: round(tuned["ResNet-50", name, "Transfer learning"] - tuned["ResNet-50", name, "Direct Test"], 2)
           for name in ("jpeg@10", "clean")}  # fmt: skip
    assert gap == {"jpeg@10": 9.11, "clean": -5.72}


def test_the_tables_are_whole():
    sizes = {number: (len(t.rows), len(t.methods), len(t.costs)) for number, t in read_paper("afd").tables.items()}
    assert sizes == {
        "1": (6, 4, 0), "2": (4, 4, 0), "3": (4, 3, 0), "4": (5, 6, 0), "5": (10, 13, 0), "6": (10, 13, 0),
        "7": (0, 0, 11), "8": (5, 3, 0), "9": (5, 5, 0), "10": (6, 3, 0),
    }  # fmt: skip


def test_ours_stand_beside_the_published(tmp_path):
    run = FakeRun(10)
    counts = {
        "clean": (9, 9),
        "jpeg@25": (7, 8),
        "jpeg@18": (6, 8),
        "jpeg@15": (5, 7),
        "jpeg@10": (4, 6),
        "jpeg@7": (3, 5),
    }
    for condition, (direct, ours) in counts.items():
        run.cell("direct", condition, (np.arange(10) < direct).astype(int), model="ResNet-50")
        run.cell("afd", condition, (np.arange(10) < ours).astype(int), model="ResNet-50")
        run.cell("mine", condition, status="n/a", reason="no weights yet", model="ResNet-50")
    run.published.append(shown("afd", "5"))
    report = build(run.write(tmp_path))
    printed = next(
        line for line in RENDERERS["md"].render(report).splitlines() if line.startswith("| jpeg@7, published")
    )
    assert [cell.strip() for cell in printed.split("|")][2:4] == ["31.65", "44.64"]
    beside = table(report, "published-afd-5")
    resnet, repvgg = beside.groups
    assert [c.heading for c in resnet.columns[:2]] == ["jpeg@25, ours", "jpeg@25, published"]
    assert [c.name for c in resnet.columns[-2:]] == ["average", "average published"]
    assert [r.method for r in resnet.rows][:3] == ["direct", "arcnn", "dncnn"]
    assert resnet.rows[-1].method == "mine"
    ours = row(resnet, "afd")
    assert (ours["jpeg@7"].value, ours["jpeg@7 published"].value) == pytest.approx((0.5, 0.4902))
    assert (ours["average"].value, ours["average published"].value) == pytest.approx((0.68, 0.6021))
    only = row(resnet, "panet")
    assert (only["jpeg@10"].missing, only["jpeg@10 published"].value) == ("–", pytest.approx(0.4743))
    assert row(resnet, "mine")["jpeg@10"].missing == "n/a"
    assert row(resnet, "mine")["jpeg@10 published"].missing == "–"
    assert row(repvgg, "afd")["jpeg@7 published"].value == pytest.approx(0.4756)
    assert {value.value for value in repvgg.rows[0].values[::2]} == {None}
    assert "PANet on ResNet-50 53.71 for 53.704" in " ".join(beside.remarks)
    for form in ("md", "tex", "csv", "json"):
        assert RENDERERS[form].render(report)


def test_an_average_that_the_paper_does_not_print_is_not_shown_as_published(tmp_path):
    run = FakeRun(10)
    for condition in ("jpeg@25", "jpeg@18", "jpeg@10", "jpeg@7"):
        run.cell("afd", condition, np.ones(10, dtype=int), model="ResNet-50")
    run.published.append(shown("afd", "2"))
    beside = table(run.write(tmp_path), "published-afd-2")
    ours = row(beside.groups[0], "afd")
    assert ours["jpeg@25 published"].value == pytest.approx(0.671)
    assert (ours["average"].value, ours["average published"].value) == (1.0, None)
    assert ours["average published"].missing == "–"


def test_costs_stand_beside_the_published(tmp_path):
    run = FakeRun(10)
    run.cell("direct", "jpeg@10", np.ones(10, dtype=int), model="ResNet-50")
    run.cost("direct", 20.0, model="ResNet-50")
    run.cost("afd", 30.0, extra=106_464, model="ResNet-50")
    run.cost("mine", 30.0, extra=7, model="ResNet-50")
    run.published.append(shown("afd", "7"))
    beside = table(run.write(tmp_path), "published-afd-7")
    (group,) = beside.groups
    assert [r.method for r in group.rows][:2] == ["ResNet-50", "arcnn"]
    afd = row(group, "afd")
    assert (afd["parameters, M"].value, afd["parameters, M published"].value) == pytest.approx((106_464, 110_000))
    assert (afd["phone CPU"].value, afd["phone GPU"].value) == (54, 58)
    assert row(group, "ResNet-50")["parameters, M"].value == 1_000_000
    assert row(group, "mine")["MACs, G published"].missing == "–"
    assert row(group, "jarcal")["MACs, G"].missing == "–"


def test_a_paper_that_is_not_there_and_one_that_is_not_whole(tmp_path):
    with pytest.raises(QbenchError, match="did you mean 'afd'"):
        shown("adf", "1")
    file = tmp_path / "paper.yaml"
    file.write_text("paper: p\ncitation: c\ntables: {'1': {title: t, where: w, methods: {A: a}, rows: "
                    "[{model: m, condition: clean, values: [1.0, 2.0]}]}}\n")  # fmt: skip
    with pytest.raises(QbenchError, match=r"paper.yaml:3.* 2 values of m for 1 methods"):
        shown(str(file), "1")
    file.write_text("paper: p\ncitation: c\ntables: {'1': {title: t, where: w}}\n")
    with pytest.raises(QbenchError, match="either `rows` or `costs`"):
        shown(str(file), "1")
