"""A degraded copy of a dataset on disk, for other tools: PNG files and a table that says what each of them is."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
from PIL import Image as Pillow

from qbench import registry
from qbench.data.files import bytes_of
from qbench.data.tables import json_of, table_of
from qbench.data.views import View
from qbench.draws import Draw
from qbench.errors import BadSample, DataError, QbenchError, described, foreign
from qbench.registry.create import create
from qbench.registry.named import Named, text_of
from qbench.runtime import safe_path
from qbench.storage.files import write_bytes, write_text
from qbench.vocabulary import Condition, Dataset, Image, Manifest

TABLE, FACTS, PARTIAL = "labels.csv", "manifest.json", "rows.partial.jsonl"
COLUMNS = ("file", "id", "class_index", "width", "height", "sha256", "facts", "error")
CHUNK = 32
Row = dict[str, Any]


@dataclass(frozen=True)
class Copy:
    """What is written: a dataset under one condition, drawn by `seed` as a suite of that seed draws it."""

    dataset: Named
    condition: Named
    folder: Path
    seed: int = 0
    view: View | None = None
    limit: int | None = None
    plugins: tuple[Path, ...] = ()

    def built(self) -> tuple[Dataset, Condition]:
        registry.load_plugins([], self.plugins)
        return cast(Dataset, create("dataset", self.dataset)), cast(Condition, create("condition", self.condition))

    def facts(self, label: str, manifest: Manifest) -> dict[str, Any]:
        """What the copy is as a whole; it is continued only where all of this is the same."""
        rows = "\n".join(f"{i} {d}" for i, d in zip(manifest.ids, manifest.digests, strict=True))
        return {
            "made by": f"qbench {version('qbench')}, Pillow {version('pillow')}, numpy {version('numpy')}",
            "dataset": text_of(self.dataset),
            "condition": text_of(self.condition),
            "label": label,
            "seed": self.seed,
            "view": None if self.view is None else vars(self.view),
            "samples": len(manifest.ids),
            "samples' digest": hashlib.blake2b(rows.encode(), digest_size=16).hexdigest(),
        }


def write_copy(
    copy: Copy,
    workers: int = 1,
    watch: Callable[[int, int], None] = lambda done, total: None,
    tell: Callable[[str], None] = warnings.warn,
) -> list[Row]:
    """Write the copy, or what is missing of it: pictures, `labels.csv` and `manifest.json`. Returns the table's rows.

    `a/b.jpg` becomes `FOLDER/a/b.png`. A sample that cannot be read has its error in the table and no file; it is never
    replaced. What stands in the folder already is kept where it is whole. `tell` is given the notes of the dataset.
    Raises DataError where two samples would share a file, where `folder` holds something else or lies in the data."""
    dataset, condition = copy.built()
    _check_beside(copy.folder, getattr(dataset, "root", None))
    whole = dataset.manifest()
    for note in whole.notes:
        tell(note)
    manifest = Manifest(whole.ids[: copy.limit], whole.digests[: copy.limit])
    _check_files(manifest.ids)
    rows = _begin(copy.folder, copy.facts(condition.label, manifest))
    left = [number for number, sample_id in enumerate(manifest.ids) if sample_id not in rows]
    watch(len(rows), len(manifest.ids))
    parts = [left[start : start + CHUNK] for start in range(0, len(left), CHUNK)]
    if parts:
        partial = copy.folder / PARTIAL
        if os.path.lexists(partial) and not partial.is_file():
            raise DataError(f"{partial} is no file, and the rows of the copy are to be written there; move it away")
        with partial.open("a", encoding="utf-8") as log:
            for done in _computed(copy, parts, workers):
                rows |= {row["id"]: row for row in done}
                log.writelines(json.dumps(row) + "\n" for row in done)
                log.flush()
                watch(len(rows), len(manifest.ids))
    ordered = [rows[sample_id] for sample_id in manifest.ids]
    write_text(copy.folder / TABLE, _table(ordered))
    (copy.folder / PARTIAL).unlink(missing_ok=True)
    return ordered


def _check_beside(folder: Path, source: Any) -> None:
    """Raise DataError where the copy would become part of what it is made of."""
    if isinstance(source, Path) and Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(source)):
        text = f"{folder} lies inside of the source {source}, and the copy would become part of it"
        raise DataError(f"{text}; name a folder beside it")


def _begin(folder: Path, facts: Mapping[str, Any]) -> dict[str, Row]:
    """The rows that stand in `folder` already, by id."""
    known = folder / FACTS
    if not known.exists():
        if folder.exists() and any(folder.iterdir()):
            raise DataError(f"{folder} is not empty and holds no {FACTS}; name an empty or new folder")
        write_text(known, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        return {}
    stored = json_of(known)
    if not isinstance(stored, dict):
        raise DataError(f"{known} does not say what this copy is; name an empty or new folder")
    differing = [key for key, value in facts.items() if stored.get(key) != json.loads(json.dumps(value))]
    if differing:
        raise DataError(f"{folder} holds another copy ({', '.join(differing)} differ); name an empty or new folder")
    return {row["id"]: row for row in _stored(folder) if _is_whole(folder, row)}


def _stored(folder: Path) -> Iterator[Any]:
    """The rows of the table, or of the log of a copy that was stopped; those after what is damaged are left out."""
    with suppress(DataError):
        if (folder / TABLE).is_file():
            yield from (row for _, row in table_of(folder / TABLE, COLUMNS))
            return
    for line in (folder / PARTIAL).read_bytes().splitlines() if (folder / PARTIAL).is_file() else ():
        with suppress(DataError), foreign("a row", DataError):
            yield json.loads(line)


def _is_whole(folder: Path, row: Any) -> bool:
    """Whether it is a row, and its picture is the one that was written."""
    if not isinstance(row, dict) or set(row) != set(COLUMNS) or not all(isinstance(row[key], str) for key in COLUMNS):
        return False
    with suppress(BadSample, DataError):
        content = bytes_of(folder / _name(row["id"]), "a picture")
        return bool(row["file"] == _name(row["id"]) and row["sha256"] == hashlib.sha256(content).hexdigest())
    return False


def _check_files(ids: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for sample_id in ids:
        path = PurePosixPath(sample_id)
        if path.is_absolute() or ".." in path.parts:
            raise DataError(f"sample {sample_id!r} would be written outside of the folder; rename it")
        other = seen.setdefault(_name(sample_id), sample_id)
        if other != sample_id:
            raise DataError(
                f"samples {other!r} and {sample_id!r} would both be written as {_name(sample_id)}; rename one"
            )


def _name(sample_id: str) -> str:
    """Where its picture is written. Raises DataError for an id that is no name of a file."""
    with foreign(f"sample {sample_id!r} cannot be written as a file", DataError):
        return PurePosixPath(sample_id).with_suffix(".png").as_posix()


def _computed(copy: Copy, parts: Sequence[Sequence[int]], workers: int) -> Iterator[list[Row]]:
    if workers <= 1 or len(parts) == 1:
        yield from (_part(copy, part) for part in parts)
        return
    from joblib import Parallel, delayed

    with safe_path():
        pool = Parallel(n_jobs=workers, return_as="generator_unordered")
        yield from pool(delayed(_part)(copy, part) for part in parts)


def _part(copy: Copy, numbers: Sequence[int]) -> list[Row]:
    dataset, condition = copy.built()
    return [_one(copy, dataset, condition, number) for number in numbers]


def _one(copy: Copy, dataset: Dataset, condition: Condition, number: int) -> Row:
    """Writes the picture of a sample and gives its row: with the error, and no picture, where that fails."""
    sample_id = dataset.manifest().ids[number]
    try:
        with foreign("it cannot be degraded", BadSample):
            sample = dataset.load(number)
            image = copy.view.apply(sample.image) if copy.view else sample.image
            degraded, facts = condition.apply(image.copy(), Draw(copy.seed, sample.id))
            content, text = png(degraded), json.dumps(facts, sort_keys=True)
    except QbenchError as error:
        return dict.fromkeys(COLUMNS, "") | {"id": sample_id, "error": described(error)}
    write_bytes(copy.folder / _name(sample_id), content)
    label = sample.target if isinstance(sample.target, int | np.integer) else ""
    return {
        "file": _name(sample_id),
        "id": sample_id,
        "class_index": str(label),
        "width": str(degraded.shape[1]),
        "height": str(degraded.shape[0]),
        "sha256": hashlib.sha256(content).hexdigest(),
        "facts": text,
        "error": "",
    }


def png(image: Image) -> bytes:
    """A picture as a PNG file, without loss."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _table(rows: Sequence[Row]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
