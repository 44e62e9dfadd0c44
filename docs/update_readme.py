"""Puts the leaderboards of a report into the README, between its marks. Run: python docs/update_readme.py [REPORT.md]

Without a report it takes reports/jpeg.md, or runs/jpeg/report/report.md, which `tox -e jpeg` writes."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
REPORTS = (ROOT / "reports" / "jpeg.md", ROOT / "runs" / "jpeg" / "report" / "report.md")
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
    given = [Path(argument) for argument in arguments] or [file for file in REPORTS if file.is_file()]
    if not given:
        raise SystemExit(f"no report: run `tox -e jpeg` first, or name a file; looked for {REPORTS[0]}, {REPORTS[1]}")
    README.write_text(filled(README.read_text("utf-8"), given[0].read_text("utf-8")), "utf-8")
    print(f"{README} has the tables of {given[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
