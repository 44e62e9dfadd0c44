"""Does a method's gain at JPEG quality 10 have the same sign on the built-in scenes as on photos?

Run: python tools/fill_agreement.py
It reads the records of reports/jpeg, of reports/jpeg-imagenet and, for the widths of DnCNN that those lack, of
reports/jpeg-agreement, and fills reports/README.md."""

from __future__ import annotations

from pathlib import Path

from qbench.report.build import build
from qbench.report.render.tidy import rows

REPORTS = Path(__file__).resolve().parent.parent / "reports"
COLUMN, SCENES = "jpeg@10", "scenes"
BEGIN, END = "<!-- agreement:begin -->\n", "<!-- agreement:end -->"


def gains(export: Path) -> dict[tuple[str, str, str], float]:
    """(dataset, model, method) to the gain over direct at quality 10, in points."""
    scores = {
        (row["dataset"], row["model"], row["method"]): row["value"]
        for row in rows(build(export))
        if row["table"] == "accuracy-by-quality" and row["column"] == COLUMN and row["value"] is not None
    }
    return {key: 100 * (value - scores[*key[:2], "direct"]) for key, value in scores.items() if key[2] != "direct"}


def table() -> str:
    """The Markdown table: a row a method, with its gains on scenes and on photos, and whether their signs agree."""
    measured: dict[tuple[str, str, str], float] = {}
    for name in ("jpeg-agreement", "jpeg", "jpeg-imagenet"):
        measured |= gains(REPORTS / name)
    scenes = {method: gain for (dataset, _, method), gain in measured.items() if dataset == SCENES}
    photos = {key: gain for key, gain in measured.items() if key[0] != SCENES}
    places = list(dict.fromkeys(key[:2] for key in photos))
    head = ["method", "scenes", *(f"{dataset}, {model}" for dataset, model in places), "signs"]
    lines = [head, ["---"] * len(head)]
    for method in dict.fromkeys([*scenes, *(key[2] for key in photos)]):
        there = [photos.get((*place, method)) for place in places]
        lines.append([method, _shown(scenes.get(method)), *map(_shown, there), _verdict(scenes.get(method), there)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shown(gain: float | None) -> str:
    return "n/a" if gain is None else f"{gain:+.1f}"


def _verdict(scenes: float | None, photos: list[float | None]) -> str:
    known = [gain for gain in photos if gain is not None]
    if scenes is None or not known:
        return "not both measured"
    agreeing = sum((gain > 0) == (scenes > 0) for gain in known)
    return "agree" if agreeing == len(known) else f"disagree in {len(known) - agreeing} of {len(known)}"


def filled(page: str) -> str:
    """The page with the table between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}{table()}{end}{after}"


if __name__ == "__main__":
    readme = REPORTS / "README.md"
    readme.write_text(filled(readme.read_text("utf-8")), "utf-8")
