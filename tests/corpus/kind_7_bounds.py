"""Inputs that ask for more memory or time than there is."""

from __future__ import annotations

from tests.corpus.case import Case, validate

CASES = [
    Case(
        "aliases of aliases",
        lambda folder: validate(
            folder,
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
        ),
        "more than 100,000 values",
    ),
]
