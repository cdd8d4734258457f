"""What is written for CVAT: read by CVAT's own libraries where they are installed, and by XML's rules."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.exchange.cvat import cvat_labels, cvat_xml
from personsearch.exchange.export import export_gallery
from personsearch.exchange.records import ExportedPerson, ExportedScene
from tests.exchange.galleries import three_people


def parsed(data: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(data)  # noqa: S314


def scene(name: str = "a.jpg", camera: str | None = "door", person: str | None = None) -> ExportedScene:
    people = (ExportedPerson(box=(1.004, 2, 11.996, 42), score=0.91, person_id=7, name=person, track_id=3),)
    return ExportedScene(image_id=name, file_name="a.jpg", width=64, height=48, camera=camera, time=1.5, people=people)


def test_an_image_with_a_box_and_what_is_known_of_it() -> None:
    root = parsed(cvat_xml([scene()], "task"))
    [image] = root.iter("image")
    assert image.attrib == {"id": "0", "name": "a.jpg", "width": "64", "height": "48"}
    [box] = image.iter("box")
    corners = {"xtl": "1.00", "ytl": "2.00", "xbr": "12.00", "ybr": "42.00"}
    assert box.attrib == {"label": "person", "source": "auto", "occluded": "0", "z_order": "0", **corners}
    said = {one.get("name"): one.text or "" for one in box}
    assert said == {"person_id": "7", "name": "", "ignore": "false", "track": "3", "score": "0.910"}
    [tag] = image.iter("tag")
    assert {one.get("name"): one.text for one in tag} == {"image_id": "a.jpg", "camera": "door", "time": "1.5"}


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_name_is_written_as_xml_can_hold_it(name: str, camera: str, person: str) -> None:
    root = parsed(cvat_xml([scene(name, camera, person)], name))
    said = {one.get("name"): one.text or "" for one in root.iter("attribute") if one.get("name")}
    plain = {"image_id": name, "camera": camera, "name": person}
    for key, text in plain.items():
        if text.isprintable():
            assert said[key] == text


def test_every_attribute_that_is_written_is_one_that_the_labels_declare() -> None:
    declared = {label["name"]: {one["name"] for one in label["attributes"]} for label in cvat_labels()}
    root = parsed(cvat_xml([scene()], "task"))
    for kind in ("box", "tag"):
        for element in root.iter(kind):
            assert {one.get("name") for one in element} == declared[element.get("label") or ""]


def test_cvats_own_client_takes_the_labels() -> None:
    models = pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed").models
    for label in cvat_labels():
        attributes = [models.AttributeRequest(**one) for one in label["attributes"]]
        made = models.PatchedLabelRequest(**{**label, "attributes": attributes})
        assert made.name == label["name"]


def test_datumaro_reads_it(tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro", reason="datumaro is not installed")
    with three_people(tmp_path) as gallery:
        export_gallery(gallery, tmp_path / "out", format="cvat", progress=False)
    read = datumaro.Dataset.import_from(str(tmp_path / "out"), "cvat")
    boxes = [one for item in read for one in item.annotations if one.type.name == "bbox"]
    assert (len(read), len(boxes)) == (4, 6)
    assert sorted({one.attributes["person_id"] for one in boxes}) == [1, 2, 3]
