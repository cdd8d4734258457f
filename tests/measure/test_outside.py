import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personsearch import PersonSearcher
from personsearch.datasets import Dataset
from personsearch.errors import ConfigError, DatasetError, ImageError
from personsearch.measure.observe import observe
from personsearch.measure.run import Evaluation, Plan, run_evaluation


def rows_of(searcher: PersonSearcher, data: Dataset) -> list[dict[str, Any]]:
    """Return the searcher's own detections as COCO's list of results."""
    rows = []
    for scene in data.scenes:
        people = searcher.detect(scene.path, threshold=0.05)
        for (x1, y1, x2, y2), score in zip(people.boxes.tolist(), people.scores.tolist(), strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            rows.append({"image_id": scene.image_id, "category_id": 1, "bbox": box, "score": score})
    return rows


def written(path: Path, rows: object) -> Path:
    path.write_text(json.dumps(rows))
    return path


def figures(done: Evaluation) -> dict[str, float]:
    return done.main.figures()


def test_our_own_detections_from_a_file_give_our_own_figures(
    tiny_searcher: PersonSearcher, data: Dataset, tmp_path: Path
) -> None:
    own = run_evaluation(tiny_searcher, data, progress=False)
    rows = rows_of(tiny_searcher, data)
    by_name = run_evaluation(tiny_searcher, data, Plan(boxes=written(tmp_path / "d.json", rows)), progress=False)
    assert figures(by_name) == pytest.approx(figures(own), abs=1e-6)
    assert by_name.main.name == "custom on boxes of d.json"
    assert by_name.weights == "custom"
    assert by_name.own.computed_on == "cpu float32"
    numbers = {scene.image_id: number for number, scene in enumerate(data.scenes)}
    numbered = written(tmp_path / "n.json", [{**row, "image_id": numbers[row["image_id"]]} for row in rows])
    with pytest.raises(ImageError, match="is a number; give the annotation file"):
        Plan(boxes=numbered).check(data)
    named = {number: name for name, number in numbers.items()}
    by_number = run_evaluation(tiny_searcher, data, Plan(boxes=numbered, boxes_images=named), progress=False)
    assert figures(by_number) == figures(by_name)


def test_any_callable_is_a_detector(tiny_searcher: PersonSearcher, data: Dataset, tmp_path: Path) -> None:
    """It sees upright RGB pixels, one picture after another, and may find the annotated boxes."""
    seen = []

    def perfect(picture: np.ndarray) -> dict[str, Any]:
        scene = data.scenes[len(seen)]
        seen.append((picture.shape, picture.dtype))
        return {"boxes": scene.boxes, "scores": np.full(len(scene.boxes), 0.9), "labels": np.ones(len(scene.boxes))}

    kept = tmp_path / "kept"
    done = run_evaluation(tiny_searcher, data, Plan(boxes=perfect, truth=True), cache_dir=kept, progress=False)
    assert seen == [((96, 160, 3), np.uint8)] * 6
    assert done.main.name == "custom on boxes of perfect"
    found, bound = (one.figures() for one in done.reports)
    assert (found["AP"], found["recall"]) == (1, 1)
    assert found == pytest.approx(bound)
    assert done.outside is not None
    assert done.outside.text() == "perfect, 18 boxes in 6 pictures from score 0.05 on"


def test_pictures_without_rows_show_nobody_and_rows_of_other_pictures_are_counted(
    tiny_searcher: PersonSearcher, data: Dataset, tmp_path: Path
) -> None:
    first = data.scenes[0]
    x1, y1, x2, y2 = first.boxes[0].tolist()
    row = {"image_id": first.image_id, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": 0.9}
    weak, beyond = {**row, "score": 0.01}, {**row, "bbox": [150, 50, 40, 80]}
    file = written(tmp_path / "d.json", [row, weak, beyond, {**row, "image_id": "elsewhere.png"}])
    done = run_evaluation(tiny_searcher, data, Plan(boxes=file), progress=False)
    assert done.outside is not None
    assert done.outside.text() == (
        "d.json, 2 boxes in 1 picture from score 0.05 on; 1 box of pictures that are not in the set passed over"
    )
    assert {name: len(people) for name, people in done.own.detections.items()} == {
        scene.image_id: 2 * (scene is first) for scene in data.scenes
    }
    np.testing.assert_allclose(done.own.detections[first.image_id].boxes[1], [150, 50, 160, 96])
    assert done.main.figures()["recall"] == pytest.approx(1 / 18)
    told = json.loads(json.dumps(done.to_dict(), allow_nan=False))
    assert told["boxes"] == {"source": "d.json", "boxes": 2, "pictures": 1, "lowest_score": 0.05, "elsewhere": 1}


def test_other_boxes_are_not_taken_for_those_in_the_cache(
    tiny_searcher: PersonSearcher, data: Dataset, tmp_path: Path
) -> None:
    people = {scene.image_id: {"boxes": scene.boxes[:2], "scores": [0.9, 0.8]} for scene in data.scenes}
    kept = tmp_path / "kept"
    own = observe(tiny_searcher, data, cache_dir=kept, progress=False)
    first = run_evaluation(tiny_searcher, data, Plan(boxes=people), cache_dir=kept, progress=False)
    again = run_evaluation(tiny_searcher, data, Plan(boxes=people), cache_dir=kept, progress=False)
    assert first.main.name == "custom on boxes of a mapping"
    np.testing.assert_array_equal(again.own.queries(data), first.own.queries(data))
    moved = {name: {**one, "boxes": one["boxes"] + np.float32(1)} for name, one in people.items()}
    other = run_evaluation(tiny_searcher, data, Plan(boxes=moved), cache_dir=kept, progress=False)
    image_id = data.scenes[0].image_id
    before, after = first.own.detections[image_id], other.own.detections[image_id]
    np.testing.assert_array_equal(after.boxes, moved[image_id]["boxes"])
    assert not np.array_equal(before.embeddings, after.embeddings)
    unmoved = observe(tiny_searcher, data, cache_dir=kept, progress=False)
    np.testing.assert_array_equal(unmoved.detections[image_id].boxes, own.detections[image_id].boxes)


def test_two_steps_behind_another_detector(tiny_searcher: PersonSearcher, data: Dataset, other_reid: Path) -> None:
    people = {scene.image_id: scene.boxes for scene in data.scenes}  # without scores: 1
    plan = Plan(boxes=people, two_step=other_reid)
    done = run_evaluation(tiny_searcher, data, plan, progress=False)
    two = done.two_step
    assert two is not None
    row, bound = done.report_of(two.row), done.report_of(two.bound)
    assert row.figures() == pytest.approx(bound.figures())
    assert two.parameters.detection == 0
    assert "the backbones differ, resnet18_ibn_a in one step and resnet18 in two" in two.lines()[1]
    assert "without the detector's time" in two.pace.text()
    assert two.pace.people == 3


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ({"other.png": []}, "a mapping: none of its 1 pictures is in train; they have names like 'other.png'"),
        ({"000.png": []}, "no boxes are given for this picture; where nobody is, give an empty list"),
        (lambda picture: [(300, 10, 340, 60)], "000.png, row 0: .* has no area inside the 160x96 image"),
        (lambda picture: "nonsense", "000.png: boxes must be"),
    ],
)
def test_boxes_that_cannot_be_used_are_named_before_the_network_runs(
    tiny_searcher: PersonSearcher, data: Dataset, boxes: Any, message: str
) -> None:
    tiny_searcher.embed_boxes = None  # type: ignore[assignment,method-assign]
    with pytest.raises((DatasetError, ImageError), match=message):
        run_evaluation(tiny_searcher, data, Plan(boxes=boxes), progress=False)


def test_a_picture_of_another_size_is_refused(tiny_searcher: PersonSearcher, data: Dataset) -> None:
    larger = replace(data, scenes=(replace(data.scenes[0], width=320), *data.scenes[1:]))
    people = {scene.image_id: scene.boxes for scene in data.scenes}
    with pytest.raises(DatasetError, match=r"000\.png: the picture is 160x96, the annotations say 320x96"):
        run_evaluation(tiny_searcher, larger, Plan(boxes=people), progress=False)


def test_names_of_pictures_are_for_files(data: Dataset) -> None:
    with pytest.raises(ImageError, match="boxes is no file"):
        Plan(boxes={}, boxes_images={1: "000.png"}).check(data)
    with pytest.raises(ConfigError, match=r"give boxes .--boxes., too"):
        Plan(boxes_images={1: "000.png"}).check(data)
