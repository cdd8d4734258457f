"""What is written for Label Studio. That Label Studio shows it was tried by hand; docs/integrations.md says when."""

from xml.etree import ElementTree

from personsearch.exchange.label_studio import LABELLING, PERSON_ID, label_studio_tasks
from personsearch.exchange.records import ExportedPerson, ExportedScene


def test_a_task_with_its_predictions() -> None:
    people = (
        ExportedPerson(box=(20, 10, 60, 90), score=0.9, person_id=7, name="Anna", track_id=3, detection_id=5),
        ExportedPerson(box=(100, 0, 200, 100), score=0.5),
    )
    scene = ExportedScene(
        image_id="a b#t=1.000", file_name="a&b.jpg", width=200, height=100, camera="door", time=1.0, people=people
    )
    [task] = label_studio_tasks([scene], "some-weights")
    assert task["data"] == {
        "image": "/data/local-files/?d=images/a%26b.jpg",
        "width": 200,
        "height": 100,
        "image_id": "a b#t=1.000",
        "camera": "door",
        "time": 1.0,
    }
    [prediction] = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("some-weights", 0.5)
    anna, who, other = prediction["result"]
    place = {"x": 10, "y": 10, "width": 20, "height": 80, "rotation": 0}
    assert anna["value"] == {**place, "rectanglelabels": ["person"]}
    assert anna["meta"] == {"text": ["name Anna, track 3, score 0.90"]}
    assert (who["id"], who["type"], who["from_name"]) == (anna["id"], "textarea", PERSON_ID)
    assert who["value"] == {**place, "text": ["7"]}
    assert other["id"] != anna["id"]
    assert other["value"]["x"] == 50
    assert all((one["original_width"], one["original_height"]) == (200, 100) for one in prediction["result"])


def test_every_control_that_a_task_names_is_in_the_configuration() -> None:
    root = ElementTree.fromstring(LABELLING)  # noqa: S314
    controls = {one.get("name"): one.get("toName") for one in root.iter() if one.get("toName")}
    assert controls == {"label": "image", PERSON_ID: "image"}
    [image] = root.iter("Image")
    assert (image.get("name"), image.get("value")) == ("image", "$image")
    assert [one.get("value") for one in root.iter("Label")] == ["person", "ignore"]
