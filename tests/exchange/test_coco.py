from personsearch.exchange.coco import coco_file
from personsearch.exchange.records import ExportedPerson, ExportedScene


def test_the_object_of_a_file() -> None:
    people = (
        ExportedPerson(box=(1.5, 2, 11, 42), score=0.9, person_id=7, name="Anna", track_id=3, detection_id=5),
        ExportedPerson(box=(20, 2, 30, 42), score=0.5),
    )
    known = ExportedScene(
        image_id="a.mp4#t=1.000", file_name="a.jpg", width=64, height=48, camera="door", time=1.0, people=people
    )
    unknown = ExportedScene(image_id="b", file_name="b.jpg", width=64, height=48, camera=None, time=None, people=())
    assert coco_file([known, unknown]) == {
        "images": [
            {
                "id": 1,
                "file_name": "images/a.jpg",
                "width": 64,
                "height": 48,
                "image_id": "a.mp4#t=1.000",
                "camera": "door",
                "time": 1.0,
            },
            {"id": 2, "file_name": "images/b.jpg", "width": 64, "height": 48, "image_id": "b"},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "bbox": [1.5, 2, 9.5, 40],
                "area": 380.0,
                "iscrowd": 0,
                "person_id": 7,
                "score": 0.9,
                "name": "Anna",
                "track": 3,
                "detection_id": 5,
            },
            {
                "id": 2,
                "image_id": 1,
                "category_id": 1,
                "bbox": [20, 2, 10, 40],
                "area": 400,
                "iscrowd": 0,
                "person_id": -1,
                "score": 0.5,
            },
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
