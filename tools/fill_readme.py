"""Puts the leaderboards of a report into the README, between its marks. Run: python tools/fill_readme.py [PAGE]

Without a page it takes reports/jpeg/README.md, or runs/jpeg/report/report.md, which `tox -e jpeg` writes."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = (ROOT / "reports" / "jpeg" / "README.md", ROOT / "runs" / "jpeg" / "report" / "report.md")
BEGIN, END = "<!-- table:begin -->\n", "<!-- table:end -->"


def tables(report: str) -> str:
    """A report's tables with their notes and the command that made them: all but its title, picture and provenance."""
    body = report.partition("\n")[2].partition("\n## Provenance")[0]
    first, *sections = (section.replace("\n### ", "\n#### ") for section in body.split("\n## "))
    kept = [first, *(f"### {section}" for section in sections if "![" not in section)]
    return "\n\n".join(section.strip() for section in kept) + "\n"


def filled(readme: str, report: str) -> str:
    """The README with the tables of the report between its marks. Raises ValueError where it has no marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README} has no {BEGIN.strip()} ... {END}")
    return f"{before}{BEGIN}{tables(report)}{END}{after}"


def main(arguments: list[str]) -> None:
    pages = [Path(argument) for argument in arguments] or [file for file in PAGES if file.is_file()]
    if not pages:
        raise SystemExit(f"no report: run `tox -e jpeg` first, or name a page; looked for {PAGES[0]}, {PAGES[1]}")
    README.write_text(filled(README.read_text("utf-8"), pages[0].read_text("utf-8")), "utf-8")
    print(f"{README} has the tables of {pages[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
