"""Recipes that differ from another of their card in a few keys."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from qbench.documents.load import Document, merged
from qbench.errors import SuiteError, nearest

OWN = ("weights", "budget", "notes")
"""Keys that speak of one training alone."""


def inherited(document: Document) -> Document:
    """The card's document with `like: NAME` in a recipe replaced by what NAME says: mappings merge key by key, anything
    else is replaced, and `weights`, `budget` and `notes` are not taken over.

    Raises SuiteError for a name that is no recipe of the card, or one that is itself like another."""
    recipes = document.data.get("recipes")
    if not isinstance(recipes, Mapping):
        return document
    with document.at():
        whole = {name: _whole(name, spec, recipes) for name, spec in recipes.items()}
    return Document({**document.data, "recipes": whole}, document.places)


def _whole(name: str, spec: Any, recipes: Mapping[str, Any]) -> Any:
    if not isinstance(spec, dict) or "like" not in spec:
        return spec
    like, path = spec["like"], ("recipes", name, "like")
    others = [other for other in recipes if other != name]
    if like not in others:
        raise SuiteError(f"`like` names {like!r}, which is no other recipe{nearest(str(like), others)}", path=path)
    base = recipes[like]
    if not isinstance(base, dict) or "like" in base:
        raise SuiteError(f"recipe {like!r} is itself like another; only one level is allowed", path=path)
    taken = {key: copy.deepcopy(value) for key, value in base.items() if key not in OWN}
    given = {key: value for key, value in spec.items() if key != "like"}
    return merged(Document(taken, {}), Document(given, {})).data
