"""Readers against files that the tests write, and against what the real photos' own tables say."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

import qbench
from qbench.data.decoding import decode
from qbench.data.imagenet_c import ImageNetC
from qbench.data.readers import CsvLabels, ImageFolder, ImageNet, Photos, imagenet_classes
from qbench.documents.construct import construct
from qbench.errors import BadSample, DataError, QbenchError
from qbench.registry.named import NamedItem
from qbench.runs.plan import Options, load_suite, make_plan
from tests.conftest import PLUGIN

TENCH, GOLDFISH, TOILET_PAPER = "n01440764", "n01443537", "n15075141"


def pixels(seed: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def put(file: Path, seed: int = 0, **options: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed)).save(file, **options)  # type: ignore[arg-type]
    return file


def table(root: Path, text: str, name: str = "labels.csv") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    return root


def test_imagefolder_numbers_sorted_classes_and_reads_pictures_only(tmp_path: Path) -> None:
    for i, name in enumerate(("zebra/2.png", "ant/b.PNG", "ant/a.bmp")):
        put(tmp_path / name, i)
    (tmp_path / "ant" / "notes.txt").write_text("no picture")
    (tmp_path / "readme.md").write_text("no class")
    data = ImageFolder(tmp_path)
    assert data.classes == ("ant", "zebra")
    assert data.manifest().ids == ("ant/a.bmp", "ant/b.PNG", "zebra/2.png")
    samples = [data.load(i) for i in range(3)]
    assert [s.target for s in samples] == [0, 0, 1]
    for sample, seed in zip(samples, (2, 1, 0), strict=True):
        assert np.array_equal(sample.image, pixels(seed))


def test_digests_follow_a_picture_s_bytes_and_its_label(tmp_path: Path) -> None:
    put(tmp_path / "a" / "1.png"), put(tmp_path / "b" / "1.png")
    before = ImageFolder(tmp_path).manifest().digests
    assert before[0] != before[1], "one content under two labels"
    assert ImageFolder(tmp_path).manifest().digests == before
    put(tmp_path / "b" / "1.png", 1)
    after = ImageFolder(tmp_path).manifest().digests
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


@pytest.mark.parametrize("reader", [ImageFolder, ImageNet, Photos])
def test_a_missing_or_empty_root_is_one_error(tmp_path: Path, reader: Callable[..., ImageFolder]) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        reader(tmp_path / "nowhere").manifest()
    with pytest.raises(DataError, match="holds no"):
        reader(tmp_path).manifest()


def test_imagefolder_with_empty_classes_holds_no_samples(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="holds no samples"):
        ImageFolder(tmp_path).manifest()


def test_imagenet_keeps_its_indices_where_only_some_classes_are_there(tmp_path: Path) -> None:
    for name in (TOILET_PAPER, GOLDFISH):
        put(tmp_path / name / f"{name}_1.JPEG")
    put(tmp_path / "n99999999" / "1.JPEG")
    data = ImageNet(tmp_path)
    assert data.manifest().ids == (f"{GOLDFISH}/{GOLDFISH}_1.JPEG", f"{TOILET_PAPER}/{TOILET_PAPER}_1.JPEG")
    assert [data.load(i).target for i in range(2)] == [1, 999]


def test_imagenet_indices_are_those_of_timm_and_of_the_photos_tables(shared: Path) -> None:
    from timm.data import ImageNetInfo

    ours = imagenet_classes()
    assert len(ours) == 1000
    assert [name for name, _ in sorted(ours.items(), key=lambda item: item[1])] == ImageNetInfo().label_names()
    for name in ("imagenet-sample", "imagenet-val227"):
        with (shared / "data" / name / "labels.csv").open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        assert rows
        assert all(ours[row["wnid"]] == int(row["class_index"]) for row in rows)


def test_csv_keeps_one_split_in_the_table_s_order(tmp_path: Path) -> None:
    put(tmp_path / "x.png", 1), put(tmp_path / "deep" / "y.png", 2)
    table(tmp_path, "file,class_index,split\nx.png,7,test\nother.png,1,calib\ndeep/y.png,3,test\n")
    data = CsvLabels(tmp_path, split="test")
    assert data.manifest().ids == ("x.png", "deep/y.png")
    assert [data.load(i).target for i in range(2)] == [7, 3]
    assert np.array_equal(data.load(1).image, pixels(2))
    assert len(CsvLabels(tmp_path).manifest().ids) == 3
    assert (data.label, CsvLabels(tmp_path, name="mine").label) == (tmp_path.name, "mine")


@pytest.mark.parametrize("reader", ["csv", "coco"])
def test_a_parameter_called_name_is_written_below_the_reader_s_name(reader: str) -> None:
    written = {reader: {"root": "data", "name": "streets"}}
    named = TypeAdapter(NamedItem).validate_python(written)
    assert construct("dataset", named).label == "streets"


def test_csv_reads_the_real_tables(shared: Path) -> None:
    root = shared / "data" / "imagenet-sample"
    counts = {split: len(CsvLabels(root, split=split).manifest().ids) for split in ("calib", "test")}
    assert counts == {"calib": 100, "test": 400}
    first = CsvLabels(root, split="test").load(0)
    assert (first.id, first.target, first.image.shape) == ("images/n01484850_great_white_shark.JPEG", 2, (333, 500, 3))


def test_csv_of_other_column_names_and_with_a_byte_order_mark(tmp_path: Path) -> None:
    put(tmp_path / "x.png")
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfpath,y\nx.png,4\n")
    data = CsvLabels(tmp_path, file="t.csv", path_column="path", label_column="y")
    assert (data.manifest().ids, data.load(0).target) == (("x.png",), 4)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("file,class_idx\nx,1\n", {}, r"labels\.csv:1:1: .*no column 'class_index' \(did you mean 'class_idx'\?\)"),
        ("file,class_index\nx,1\n", {"split": "test"}, r"labels\.csv:1:1: .*no column 'split'"),
        ("file,class_index,split\nx,1,tests\n", {"split": "test"}, r"no split 'test' \(did you mean 'tests'\?\)"),
        ("file,class_index\nx,1\ny,tench\n", {}, r"labels\.csv:3:1: class_index must be a class index, not 'tench'"),
        ("file,class_index\nx,-1\n", {}, r"labels\.csv:2:1: class_index must be a class index, not '-1'"),
        ("file,class_index\nx,²\n", {}, r"labels\.csv:2:1: class_index must be a class index, not '²'"),
        ("file,class_index\nx\n", {}, r"labels\.csv:2:1: nothing in column 'class_index': 1 cells in a row of 2"),
        ("file,class_index\nx,1\nx,2\n", {}, r"names sample 'x' twice \(1 duplicate ids\)"),
        ("file,class_index\n", {}, "holds no samples"),
        ("file,class_index\nx,1\n", {"file": "label.csv"}, r"label\.csv does not exist"),
    ],
)
def test_a_faulty_table_is_one_error_with_its_line(
    tmp_path: Path, text: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        CsvLabels(table(tmp_path, text), **options).manifest()
    assert re.search(message, str(caught.value)), str(caught.value)


def test_a_table_that_is_no_text_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"file,class_index\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="UTF-8"):
        CsvLabels(tmp_path).manifest()


def test_photos_are_found_in_the_folders_below_and_have_no_label(tmp_path: Path) -> None:
    put(tmp_path / "b" / "c" / "1.jpg"), put(tmp_path / "a.webp")
    data = Photos(tmp_path)
    assert data.manifest().ids == ("a.webp", "b/c/1.jpg")
    assert data.load(0).target is None


def test_imagenet_c_fans_out_into_cells_of_corruption_and_severity(tmp_path: Path) -> None:
    root = tmp_path / "c"
    for corruption in ("fog", "snow"):
        for severity in (1, 5):
            put(root / corruption / str(severity) / TENCH / "1.JPEG", severity)
    suite = tmp_path / "c.yaml"
    suite.write_text(
        "suite: c\nversion: 1\nchangelog: {1: first}\ntasks:\n"
        f"  - dataset: {{name: imagenet-c, root: {root}, corruption: [fog, snow], severity: [1, 5]}}\n"
        "    models: [toy]\n    conditions: [clean]\n"
    )
    plan = make_plan(*load_suite(suite), Options(device="cpu", plugin_files=(PLUGIN,)))
    assert [(cell.condition.label, cell.condition.axis) for cell in plan.cells] == [
        ("fog/1", ("severity", 1.0)), ("fog/5", ("severity", 5.0)),
        ("snow/1", ("severity", 1.0)), ("snow/5", ("severity", 5.0)),
    ]  # fmt: skip
    assert {(cell.dataset.name, cell.dataset.label) for cell in plan.cells} == {("imagenet-c", "imagenet-c")}
    assert [cell.condition.family for cell in plan.cells] == ["fog", "fog", "snow", "snow"]
    assert len({cell.key for cell in plan.cells}) == 4
    assert [source.samples for source in plan.sources] == [1, 1, 1, 1]
    suite.write_text(suite.read_text().replace("[fog, snow]", "fogg"))
    with pytest.raises(QbenchError, match=r"c\.yaml:5:\d+: .*no corruption 'fogg' \(did you mean 'fog'\?\)"):
        make_plan(*load_suite(suite), Options(device="cpu", plugin_files=(PLUGIN,)))


def test_imagenet_c_gives_the_stored_pictures(tmp_path: Path) -> None:
    put(tmp_path / "fog" / "3" / TENCH / "1.png", 5)
    data = ImageNetC(tmp_path, "fog", 3)
    sample = data.load(0)
    assert (sample.id, sample.target) == (f"{TENCH}/1.png", 0)
    assert np.array_equal(sample.image, pixels(5))
    with pytest.raises(DataError, match="is not a folder"):
        ImageNetC(tmp_path, "fog", 4).manifest()


def test_what_is_no_picture_is_a_bad_sample(tmp_path: Path) -> None:
    whole = put(tmp_path / "whole.jpg").read_bytes()
    png = put(tmp_path / "whole.png").read_bytes()
    faulty = {
        "text.png": b"no picture",
        "empty.jpg": b"",
        "head.jpg": whole[: len(whole) // 2],
        "head.png": png[: len(png) // 2],
        "flipped.png": png[:60] + bytes(byte ^ 255 for byte in png[60:90]) + png[90:],
    }
    for name, content in faulty.items():
        (tmp_path / name).write_bytes(content)
        texts = [refusal(tmp_path / name) for _ in range(2)]
        assert name in texts[0]
        assert texts[0] == texts[1], "records of two runs are the same"
        assert not re.search(rf"0x|{tmp_path}", texts[0])
    assert "it is in none of the formats JPEG, PNG" in refusal(tmp_path / "text.png")
    (tmp_path / "program.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "it is in none of the formats" in refusal(tmp_path / "program.png"), "EPS is run by a foreign program"
    assert refusal(tmp_path / "gone.png") == "gone.png cannot be read as an image: No such file or directory"


def refusal(file: Path) -> str:
    with pytest.raises(BadSample) as caught:
        decode(file)
    return caught.value.message


def test_hidden_files_and_folders_are_no_samples(tmp_path: Path) -> None:
    root = tmp_path / ".cache" / "data"
    put(root / "a" / "1.png"), put(root / "a" / "._1.png"), put(root / ".trash" / "2.png")
    (root / "a" / "folder.png").mkdir()
    (root / "a" / "lost.png").symlink_to(root / "nowhere.png")
    expected = ("a/1.png", "a/lost.png")
    assert Photos(root).manifest().ids == ImageFolder(root).manifest().ids == expected, "a broken link is a bad sample"
    assert ImageFolder(root).classes == ("a",)


def test_a_picture_too_large_to_be_meant_is_a_bad_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20 * 30 // 2 - 1)
    with pytest.raises(BadSample, match=r"bomb\.png"):
        decode(file)


def test_a_picture_that_the_table_names_but_is_not_there_stays_in_the_manifest(tmp_path: Path) -> None:
    data = CsvLabels(table(tmp_path, "file,class_index\ngone.png,1\n"))
    assert data.manifest().ids == ("gone.png",)
    with pytest.raises(BadSample):
        data.load(0)


def test_grey_transparent_and_palette_pictures_become_rgb(tmp_path: Path) -> None:
    colours = pixels(3)
    grey, alpha = colours[..., 0], np.random.default_rng(4).integers(0, 256, (20, 30), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert np.array_equal(decode(tmp_path / "grey.png"), np.stack([grey] * 3, axis=2))
    Image.fromarray(np.dstack([grey, alpha])).save(tmp_path / "grey-alpha.png")
    assert np.array_equal(decode(tmp_path / "grey-alpha.png"), np.stack([grey] * 3, axis=2))
    Image.fromarray(np.dstack([colours, alpha])).save(tmp_path / "alpha.png")
    assert np.array_equal(decode(tmp_path / "alpha.png"), colours)
    Image.fromarray(grey > 99).save(tmp_path / "bits.png")
    assert np.array_equal(decode(tmp_path / "bits.png")[..., 1], np.where(grey > 99, 255, 0))
    table_of_colours = np.random.default_rng(5).integers(0, 256, (16, 3), dtype=np.uint8)
    numbers = np.random.default_rng(6).integers(0, 16, (20, 30), dtype=np.uint8)
    palette = Image.fromarray(numbers, mode="P")
    palette.putpalette(table_of_colours.tobytes())
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(decode(tmp_path / "palette.png"), table_of_colours[numbers])


def test_grey_pictures_of_16_bits_keep_their_upper_eight_and_floats_are_refused(tmp_path: Path) -> None:
    deep = np.random.default_rng(8).integers(0, 65536, (20, 30), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(decode(tmp_path / "deep.png"), np.stack([deep // 256] * 3, axis=2))
    Image.fromarray(deep.astype(np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(BadSample, match="mode F"):
        decode(tmp_path / "float.tif")


def test_cmyk_pictures_become_rgb(tmp_path: Path) -> None:
    inks = np.zeros((16, 16, 4), dtype=np.uint8)
    inks[:, 8:, 0] = 255
    Image.fromarray(inks, mode="CMYK").save(tmp_path / "inks.tif")
    decoded = decode(tmp_path / "inks.tif")
    assert decoded.shape == (16, 16, 3)
    assert decoded[0, 0].tolist() == [255, 255, 255], "no ink is white"
    assert decoded[0, 15].tolist() == [0, 255, 255], "all cyan takes all red"
    Image.fromarray(inks, mode="CMYK").save(tmp_path / "inks.jpg", quality=95)
    assert np.abs(decode(tmp_path / "inks.jpg").astype(int) - decoded).max() <= 8


def test_a_file_of_classes_numbers_them(tmp_path: Path) -> None:
    for name in ("10", "2"):
        put(tmp_path / name / "1.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "c.txt").write_text("".join(f"{number}\n" for number in range(12)))
    data = ImageFolder(tmp_path, classes_file="c.txt")
    assert (data.manifest().ids, data.manifest().notes) == (("10/1.png", "2/1.png"), ())
    assert [data.load(index).target for index in range(2)] == [10, 2]
    assert data.classes == tuple(map(str, range(12)))
    (tmp_path / "c.txt").write_text("10\n2\n10\n")
    with pytest.raises(DataError, match=r"c\.txt names the class '10' twice"):
        ImageFolder(tmp_path, classes_file="c.txt").manifest()


def test_whole_imagenet_is_numbered_alike_by_both_readers(tmp_path: Path) -> None:
    for name in imagenet_classes():
        (tmp_path / name).mkdir()
    put(tmp_path / TENCH / "0.png")
    for name in imagenet_classes():
        if name != TENCH:
            (tmp_path / name / "0.png").symlink_to(tmp_path / TENCH / "0.png")
    whole, named = ImageFolder(tmp_path), ImageNet(tmp_path)
    assert whole.manifest() == named.manifest()
    assert whole.manifest().notes == ()


def test_a_note_is_a_warning_in_python(tmp_path: Path) -> None:
    put(tmp_path / "d" / "a" / "1.png"), put(tmp_path / "d" / "a" / "b" / "1.png")
    task = {"dataset": {"name": "imagefolder", "root": str(tmp_path / "d")}, "models": ["identity"]}
    suite = {"suite": "noted", "tasks": [{"task": "restoration", "conditions": ["clean"], "metrics": ["psnr"], **task}]}
    with pytest.warns(UserWarning, match="dataset d: left out are pictures in folders further below: 1, such as a/b/1"):
        qbench.run(suite, out=tmp_path / "run", device="cpu")


def test_exif_turns_pictures_where_it_is_asked_to(tmp_path: Path) -> None:
    for number in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = number
        put(tmp_path / f"{number}.png", 7, exif=exif)
    stored, turned = Photos(tmp_path), Photos(tmp_path, orientation="exif")
    assert stored.manifest().ids == turned.manifest().ids
    assert not set(stored.manifest().digests) & set(turned.manifest().digests)
    image = pixels(7)
    upright = [image, image[:, ::-1], image[::-1, ::-1], image[::-1], image.transpose(1, 0, 2)]
    upright += [np.rot90(image, -1), image[::-1, ::-1].transpose(1, 0, 2), np.rot90(image)]
    for index, expected in enumerate(upright):
        assert np.array_equal(turned.load(index).image, expected), f"orientation {index + 1}"
        assert np.array_equal(stored.load(index).image, image)


def test_the_orientation_in_exif_is_left_alone(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    file = put(tmp_path / "turned.png", 7, exif=turned)
    with Image.open(file) as picture:
        assert picture.getexif()[0x0112] == 6
    assert np.array_equal(decode(file), pixels(7))
