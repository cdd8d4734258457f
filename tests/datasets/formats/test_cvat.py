"""CVAT's XML, "CVAT for images 1.1"."""

from pathlib import Path
from typing import Any

import pytest

from personsearch.datasets import Dataset, load_dataset
from personsearch.errors import DatasetError

#: As CVAT exports a task: the labels above the images, and boxes among other shapes.
EXPORT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>4</id><name>door</name><size>2</size><mode>annotation</mode>
    <labels><label><name>person</name><type>rectangle</type><attributes>
      <attribute><name>person_id</name><mutable>False</mutable><input_type>number</input_type></attribute>
    </attributes></label></labels></task>
  <dumped>2026-11-02 10:00:00.000000+00:00</dumped></meta>
  <image id="0" name="a.jpg" width="200" height="100">
    <box label="person" source="manual" occluded="0" xtl="20.00" ytl="20.00" xbr="80.50" ybr="60.00" z_order="0">
      <attribute name="person_id">7</attribute>
      <attribute name="ignore">false</attribute>
    </box>
    <box label="person" source="auto" occluded="1" xtl="100" ytl="20" xbr="120" ybr="60" rotation="90.00" z_order="0">
      <attribute name="person_id">-1</attribute>
    </box>
    <box label="person" occluded="0" xtl="150" ytl="20" xbr="170" ybr="60">
      <attribute name="ignore">true</attribute>
    </box>
    <box label="bicycle" occluded="0" xtl="1" ytl="2" xbr="30" ybr="40"></box>
    <polygon label="person" points="1,1;5,1;5,5"></polygon>
    <tag label="scene" source="manual">
      <attribute name="camera">door</attribute>
      <attribute name="time">12.5</attribute>
      <attribute name="scene">shop</attribute>
    </tag>
  </image>
  <image id="1" name="sub/b.jpg" width="200" height="100"></image>
</annotations>
"""


def read(folder: Path, text: str, **options: Any) -> Dataset:
    path = folder / "annotations.xml"
    path.write_text(text, encoding="utf-8")
    return load_dataset(path, "train", **{"require_images": False} | options)


def test_an_export_of_a_task(tmp_path: Path) -> None:
    loaded = read(tmp_path, EXPORT)
    first, second = loaded.scenes
    # The turned box is 20 x 40 around (110, 40); turned by a quarter about its middle it is 40 x 20.
    assert first.boxes.tolist() == [[20, 20, 80.5, 60], [90, 30, 130, 50], [150, 20, 170, 60]]
    assert first.identities.tolist() == [7, -1, -1]
    assert first.ignore.tolist() == [False, False, True]
    assert (first.image_id, first.width, first.height) == ("a.jpg", 200, 100)
    assert (first.camera, first.time, first.place) == ("door", 12.5, "shop")
    assert (second.image_id, len(second.boxes), second.camera, second.time) == ("sub/b.jpg", 0, None, None)
    assert loaded.accounting.changed == {"turned box, the upright box around it taken": 1}
    assert loaded.accounting.dropped == {"category 'bicycle'": 1, "shape polygon": 1}
    assert (loaded.accounting.rows, loaded.accounting.kept) == (5, 3)


def test_labels_say_who_it_is_where_no_attribute_does(tmp_path: Path) -> None:
    text = EXPORT.replace('<box label="person" occluded="0" xtl="150"', '<box label="person 9" occluded="0" xtl="150"')
    text = text.replace('<attribute name="ignore">true</attribute>', "")
    assert read(tmp_path, text).scenes[0].identities.tolist() == [7, -1, 9]
    ignored = read(tmp_path, text.replace('label="person 9"', 'label="Ignore"')).scenes[0]
    assert ignored.ignore.tolist() == [False, False, True]


def test_a_folder_as_cvat_packs_it(tmp_path: Path) -> None:
    for name in ("images/a.jpg", "images/sub/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "annotations.xml").write_text(EXPORT)
    assert [scene.image_id for scene in load_dataset(tmp_path, "train").scenes] == ["images/a.jpg", "images/sub/b.jpg"]
    given = load_dataset(tmp_path / "annotations.xml", "test", images=tmp_path / "images")
    assert [scene.image_id for scene in given.scenes] == ["a.jpg", "sub/b.jpg"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (">7<", ">Anna<", r"box 0 of a\.jpg: person_id must be a whole number, got 'Anna'"),
        ('xtl="20.00"', "", r"must be finite numbers, got \[None, '20.00', '80.50', '60.00'\]"),
        ('xtl="20.00"', 'xtl="nan"', "must be finite numbers"),
        ('xbr="80.50"', 'xbr="10"', "has no area inside the 200x100 image"),
        ('rotation="90.00"', 'rotation="left"', "expected a number, got 'left'"),
        (">true<", ">perhaps<", "ignore must be true or false, got 'perhaps'"),
        (">12.5<", ">noon<", "time must be a number of seconds, got 'noon'"),
        ('width="200"', 'width="0"', "image 0: width and height must be whole numbers above 0"),
        ('name="sub/b.jpg"', 'name="a.jpg"', r"image 1: the image 'a\.jpg' occurs more than once"),
        ('name="sub/b.jpg"', "", "image 1: has no name"),
        ("</annotations>", "", "not valid XML"),
        ("annotations>", "dataset>", r"is not CVAT's XML: it begins with <dataset>"),
        (
            '<image id="1"',
            '<track id="1"></track><image id="1"',
            "is CVAT for video; export the task as",
        ),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(DatasetError, match=problem):
        read(tmp_path, EXPORT.replace(old, new))


def test_a_bad_box_can_be_skipped_and_is_listed(tmp_path: Path) -> None:
    loaded = read(tmp_path, EXPORT.replace(">7<", ">x<"), skip_bad=True)
    assert (loaded.accounting.rows, loaded.accounting.kept, len(loaded.accounting.skipped)) == (5, 2, 1)


def test_missing_files_images_and_queries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no such image: .*a\.jpg; say where the images are"):
        read(tmp_path, EXPORT, require_images=True)
    with pytest.raises(DatasetError, match="has no queries; leave queries out"):
        read(tmp_path, EXPORT, queries="q.json")
    with pytest.raises(DatasetError, match=r"no such file or folder"):
        load_dataset(tmp_path / "none.xml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"annotations\.xml: cannot be read"):
        load_dataset(tmp_path / "empty", format="cvat")


def test_a_file_that_would_grow_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    grows = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE x [<!ENTITY e0 "personperson">{grows}]><annotations><image name="&e9;"/></annotations>'
    with pytest.raises(DatasetError, match="not valid XML"):
        read(tmp_path, text)


def test_a_file_beside_it_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("7")
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    text = EXPORT.replace('<?xml version="1.0" encoding="utf-8"?>', entity).replace(">7<", ">&e;<")
    try:
        identities = read(tmp_path, text).scenes[0].identities.tolist()
    except DatasetError:
        return  # refused: as good
    assert identities[0] == -1
