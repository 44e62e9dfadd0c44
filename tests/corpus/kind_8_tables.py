"""Tables that name files outside of the data's root."""

from __future__ import annotations

from pathlib import Path

from tests.corpus.case import Arguments, Case, picture
from tests.corpus.kind_5_readers import checked, coco, masks

OUTSIDE = "lies outside of the root {}/d; a table names files below it"


def table(folder: Path, name: str, text: str, dataset: str) -> Arguments:
    """A text file below the root, beside the picture `a.png`; `secret.png` lies outside."""
    picture(folder / "d" / "a.png")
    picture(folder / "secret.png")
    (folder / "d" / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / "d" / name).write_text(text.replace("FOLDER", str(folder)))
    return checked(folder, dataset)


def labels(folder: Path, path: str) -> Arguments:
    return table(folder, "labels.csv", f"file,class_index\na.png,0\n{path},1\n", "{name: csv, root: ROOT}")


def links(folder: Path, name: str, to: str) -> Path:
    (folder / "d").mkdir(exist_ok=True)
    (folder / "d" / name).symlink_to(folder / to)
    return folder / "d"


CASES = [
    Case(
        "a csv with a path upwards",
        lambda folder: labels(folder, "../secret.png"),
        f"d/labels.csv:3:1: '../secret.png' {OUTSIDE}",
    ),
    Case(
        "a csv with a path down and upwards",
        lambda folder: labels(folder, "x/../../secret.png"),
        f"d/labels.csv:3:1: 'x/../../secret.png' {OUTSIDE}",
    ),
    Case(
        "a csv with an absolute path",
        lambda folder: labels(folder, "FOLDER/secret.png"),
        f"d/labels.csv:3:1: '{{}}/secret.png' {OUTSIDE}",
    ),
    Case(
        "a csv with a linked picture outside",
        lambda folder: (links(folder, "link.png", "secret.png"), labels(folder, "link.png"))[1],
        f"d/labels.csv:3:1: 'link.png' {OUTSIDE}",
    ),
    Case(
        "a csv with a linked folder outside",
        lambda folder: (links(folder, "up", "."), labels(folder, "up/secret.png"))[1],
        f"d/labels.csv:3:1: 'up/secret.png' {OUTSIDE}",
    ),
    Case(
        "a csv with a link that stays inside",
        lambda folder: (links(folder, "b.png", "d/a.png"), labels(folder, "b.png"))[1],
        "is valid",
        code=0,
    ),
    Case(
        "pairs with a path upwards",
        lambda folder: table(
            folder, "p.csv", "degraded,clean\na.png,../secret.png\n", "{name: pairs, root: ROOT, table: p.csv}"
        ),
        f"d/p.csv:2:1: '../secret.png' {OUTSIDE}",
    ),
    Case(
        "a list of masks with a path upwards",
        lambda folder: table(
            folder, "p.txt", "# all\na.png ../secret.png\n", "{name: masks, root: ROOT, pairs: p.txt}"
        ),
        f"d/p.txt:2:1: '../secret.png' {OUTSIDE}",
    ),
    Case(
        "a COCO file with a path upwards",
        lambda folder: (
            coco(folder, image={"file_name": "../../secret.png"}),
            checked(folder, "{name: coco, root: ROOT}"),
        )[1],
        f"{{}}/d/annotations.json: images[0]: '../../secret.png' {OUTSIDE}",
    ),
    Case(
        "a COCO file with an absolute path",
        lambda folder: (coco(folder, image={"file_name": "/etc/passwd"}), checked(folder, "{name: coco, root: ROOT}"))[
            1
        ],
        f"images[0]: '/etc/passwd' {OUTSIDE}",
    ),
    Case(
        "a VOC list with a path upwards",
        lambda folder: table(
            folder, "ImageSets/Main/val.txt", "a\n../../secret 1\n", "{name: voc-detection, root: ROOT, suffix: .png}"
        ),
        f"d/ImageSets/Main/val.txt:2:1: '../../secret.png' {OUTSIDE}",
    ),
    Case(
        "a list of VOC's masks with a path upwards",
        lambda folder: table(
            folder, "ImageSets/Segmentation/val.txt", "\n../../secret\n", "{name: voc-segmentation, root: ROOT}"
        ),
        f"d/ImageSets/Segmentation/val.txt:2:1: '../../secret.jpg' {OUTSIDE}",
    ),
    Case(
        "a csv in a root that is a link itself",
        lambda folder: (
            (masks(folder, 0, 1) / "labels.csv").write_text("file,class_index\nimages/0.png,1\n"),
            (folder / "there").symlink_to(folder / "d"),
            checked(folder, f"{{name: csv, root: {folder / 'there'}}}"),
        )[2],
        "is valid",
        code=0,
    ),
]
