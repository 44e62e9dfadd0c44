"""Every broken input ends in its line and exit code: never a traceback, a hang or a silent wrong."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from pathlib import Path

import pytest

import tests.corpus
from tests.corpus.case import Case, check

MODULES = sorted(m.name for m in pkgutil.iter_modules(tests.corpus.__path__) if m.name.startswith("kind_"))
KINDS = {name: importlib.import_module(f"tests.corpus.{name}").CASES for name in MODULES}
CASES = [pytest.param(case, id=f"{kind}-{case.name}") for kind, cases in KINDS.items() for case in cases]


@pytest.mark.parametrize("case", CASES)
def test_a_broken_input_gives_its_line_and_exit_code(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


def test_each_kind_has_its_cases_under_names_of_their_own() -> None:
    for kind, cases in KINDS.items():
        assert max(Counter(case.name for case in cases).values()) == 1, kind
    assert sum(case.alone for cases in KINDS.values() for case in cases) <= 20
