"""Looking after a store: what lies in it, whether it holds, and what nobody needs any more."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from qbench.errors import StoreError
from qbench.runs import store
from qbench.runs.claims import RUNNERS, Runner, has_ended
from qbench.runs.cost_record import read_costs
from qbench.runs.uses import FOLDER, Uses, read_uses
from qbench.storage.files import Damaged, digest_of_text

UNFINISHED = re.compile(r"\..+\.([0-9a-f]{32}|claim\.\d+)")
"""Temporary files and claims."""


@dataclass
class Contents:
    """What lies in a store, by what it is."""

    records: dict[tuple[str, str], Path] = field(default_factory=dict)
    """By key and name, files of finished cells and of shards."""
    reasons: dict[str, Path] = field(default_factory=dict)
    costs: dict[str, Path] = field(default_factory=dict)
    aside: list[Path] = field(default_factory=list)
    """Damaged files that a run set aside."""
    unfinished: list[Path] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    """What qbench did not write."""


@dataclass(frozen=True)
class KnownRun:
    """A run that says that it uses the store."""

    file: Path
    uses: Uses
    is_of_here: bool
    """Whether it is of this machine; folders of others cannot be seen from here."""
    is_there: bool
    """Whether its folder is, as far as can be seen; else it was moved or deleted."""


@dataclass(frozen=True)
class Waste:
    """Files that `clean` frees, with why."""

    why: str
    files: tuple[Path, ...]


def contents(root: Path) -> Contents:
    """Every file of a store. Raises StoreError for a folder that is none."""
    if not (root / store.LAYOUT).exists():
        raise StoreError(f"{root} is no store: it holds no {store.LAYOUT}; name another --store")
    found = Contents()
    for folder in sorted((root / store.RECORDS).glob("*/*")):
        if ".damaged" in folder.parent.name:
            continue
        for file in sorted(folder.iterdir()) if folder.is_dir() else [folder]:
            _sort_in(found, folder.name, file)
    for file in sorted((root / store.EFFICIENCY).glob("*")):
        _sort_in(found, "", file)
    for folder in (root, root / store.RECORDS, root / FOLDER):
        found.aside += sorted(folder.glob("*.damaged*"))
    found.unfinished += [file for name in (FOLDER, ".") for file in (root / name).glob(".*") if _is_unfinished(file)]
    return found


def _sort_in(found: Contents, key: str, file: Path) -> None:
    if _is_unfinished(file):
        found.unfinished.append(file)
    elif ".damaged" in file.name:
        found.aside.append(file)
    elif key and file.name == store.REASON:
        found.reasons[key] = file
    elif key and file.suffix == ".parquet":
        found.records[key, file.stem] = file
    elif not key and file.suffix == ".json":
        found.costs[file.name] = file
    else:
        found.foreign.append(file)


def _is_unfinished(file: Path) -> bool:
    return UNFINISHED.fullmatch(file.name) is not None


def check_runs(root: Path) -> None:
    """Raise StoreError where a file does not tell what its run uses: nobody knows then what is needed."""
    for file in sorted((root / FOLDER).glob("*.json")):
        try:
            read_uses(file)
        except FileNotFoundError:
            continue
        except StoreError as error:
            advice = "so that nothing is removed; do its run again, or remove this file if nobody needs it"
            raise StoreError(f"{error.message}; what its run uses is not known, {advice}") from None


def known_runs(root: Path) -> list[KnownRun]:
    """The runs that use a store. Files that do not hold are left out; `faults` tells them."""
    runs = []
    for file in sorted((root / FOLDER).glob("*.json")):
        try:
            uses = read_uses(file)
        except (FileNotFoundError, StoreError):
            continue
        is_of_here = uses.host == socket.gethostname()
        runs.append(KnownRun(file, uses, is_of_here, not is_of_here or (root / uses.folder).is_dir()))
    return runs


def faults(root: Path, found: Contents) -> Iterator[StoreError]:
    """What is damaged, or of another version. Every file is read."""
    looks: list[Callable[[], object]] = [
        partial(store.check, root),
        *(partial(_check_records, key, name, file) for (key, name), file in found.records.items()),
        *(partial(store.not_applicable, root, key) for key in found.reasons),
        *(partial(read_costs, file) for file in found.costs.values()),
        *(partial(read_uses, file) for file in sorted((root / FOLDER).glob("*.json"))),
    ]
    for look in looks:
        try:
            look()
        except FileNotFoundError:
            continue  # another runner has sealed the cell
        except StoreError as error:
            yield error


def _check_records(key: str, name: str, file: Path) -> None:
    """Raise Damaged for records that are not as they were written, or not of the cell that their place says."""
    facts = store.open_cell_file(file).facts
    if (facts["key"], facts["shard"]) != (key, name):
        raise Damaged(file, f"it holds shard {facts['shard']} of cell {facts['key']}, not what its name says")
    if facts["parts"] and digest_of_text(facts["parts"]) != key:
        raise Damaged(file, "its key is not the digest of what it says that the cell is made of")


def waste(runner: Runner, found: Contents, runs: list[KnownRun]) -> list[Waste]:
    """What no known run needs and no live runner has claimed."""
    used = [run.uses for run in runs if run.is_there]
    needed = {pair for uses in used for pair in uses.files() | uses.working_files()}
    keys, costs = {key for key, _ in needed}, {name for uses in used for name in uses.costs}
    live = [file for file in found.unfinished if _is_in_use(runner, file)]
    claimed = {file.parent.name for file in live}
    finished = {pair for uses in used for pair in uses.files()}
    beside = {
        pair: file for pair, file in _beside_whole(used, found) if pair[0] not in claimed and pair not in finished
    }
    unused = [file for pair, file in found.records.items() if pair not in needed and pair[0] not in claimed]
    unused += [file for key, file in found.reasons.items() if key not in keys | claimed]
    ended = [file for file in runners(runner.store) if not runner.is_live(file.name)]
    return [
        Waste("records that no known run uses", tuple(unused)),
        Waste("costs that no known run shows", tuple(file for name, file in found.costs.items() if name not in costs)),
        Waste("shards of finished cells", tuple(beside.values())),
        Waste("damaged files that were set aside", tuple(found.aside)),
        Waste("left by runners that were stopped", tuple([f for f in found.unfinished if f not in live] + ended)),
        Waste("said by runs whose folders were moved or deleted", tuple(run.file for run in runs if not run.is_there)),
    ]


def _beside_whole(used: Sequence[Uses], found: Contents) -> Iterator[tuple[tuple[str, str], Path]]:
    """Shards of finished cells, but for those that are all samples of another run."""
    finished = {pair for uses in used for pair in uses.files()}
    for uses in used:
        for key, source in uses.cells:
            samples = uses.sources[source]
            names = {(key, shard) for shard in samples.shards} - finished
            if (key, samples.whole) in found.records:
                yield from ((pair, found.records[pair]) for pair in sorted(names & found.records.keys()))


def _is_in_use(runner: Runner, file: Path) -> bool:
    """Whether a claim, or the claim of a temporary file's place, is a live runner's; other temporary files are so as
    long as a live runner could be writing them."""
    name = file.name[1:].split(".")[0]
    if runner.holder(file.with_name(f"{name}.parquet")):
        return True
    return ".claim." not in file.name and runner.is_fresh(file)


def runners(root: Path) -> list[Path]:
    """The beats of runners, those that were stopped included."""
    return sorted(file for file in (root / RUNNERS).glob("*") if not file.name.startswith("."))


def live_runners(root: Path) -> list[str]:
    """Runners that are not known to have ended."""
    return [file.name for file in runners(root) if not has_ended(file)]
