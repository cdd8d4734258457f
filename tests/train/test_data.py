import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from personsearch.datasets import Scene
from personsearch.errors import DatasetError
from personsearch.train.config import DataConfig
from personsearch.train.crops import cut_crops
from personsearch.train.data import groups_of_scenes, number_identities, split_scenes
from tests.datasets.layouts import blank, small_prw, write_mot
from tests.support import toy_set
from tests.train.runs import scenes_of


def test_any_format_can_be_trained_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blank(tmp_path / "Market" / "bounding_box_train" / "0002_c1s1_000451_03.jpg", 64, 128)
    walk = write_mot(tmp_path / "walk", ["1,5,-10,20,30,40,1,1,1", "2,5,12,20,-30,40,1,1,1"])
    for folder in (tmp_path / "Market", walk, small_prw(tmp_path / "PRW")):
        data = DataConfig(annotations=str(folder), images=None, format=None, holdout_places=(), skip_bad=True)
        with caplog.at_level("INFO"):
            training, held_out, weights, *_ = split_scenes(data)
        assert len(cut_crops(training, 32, 16)) == sum(int((scene.identities >= 0).sum()) for scene in training) > 0
        assert held_out == []
        assert weights.tolist() == [1.0] * len(training)
    assert "mot/walk: 1 of 2 boxes: clipped to the image" in caplog.text
    assert "gt.txt: line 2" in caplog.text  # what was skipped
    with pytest.raises(DatasetError, match=r"gt\.txt: line 2: bbox .* has no area"):
        split_scenes(data.model_copy(update={"annotations": str(walk), "skip_bad": None}))


def test_places_can_be_held_out(tmp_path: Path) -> None:
    data = DataConfig(annotations=str(toy_set(tmp_path / "toy", place_every=4)), holdout_places=("b",))
    assert [len(scenes) for scenes in split_scenes(data)[:3]] == [6, 2, 6]
    with pytest.raises(DatasetError, match=r"no place 'c' to hold out; places are: a, b"):
        split_scenes(data.model_copy(update={"holdout_places": ("c",)}))
    with pytest.raises(DatasetError, match="holding out a, b leaves nothing to train on"):
        split_scenes(data.model_copy(update={"holdout_places": ("a", "b")}))


def scene_of(name: str, labels: list[int]) -> Scene:
    boxes = np.array([[10.0 * row, 0, 10.0 * row + 8, 20] for row in range(len(labels))], np.float32).reshape(-1, 4)
    return Scene(
        image_id=name,
        path=Path(name),
        width=100,
        height=50,
        camera=None,
        time=None,
        place=None,
        boxes=boxes,
        identities=np.array(labels, np.int64),
        ignore=np.zeros(len(labels), bool),
    )


def test_scenes_are_grouped_by_whom_they_show_directly_or_by_way_of_others() -> None:
    # a and e share nobody, but c has somebody of either; nobody has a label in b and f; d is alone with its person.
    labels = [[1], [-1], [1, 2], [7, -1], [2, 3], []]
    scenes = [scene_of(name, one) for name, one in zip("abcdef", labels, strict=True)]
    assert groups_of_scenes(scenes) == [[0, 2, 4], [1], [3], [5]]


def paired_set(folder: Path, num_pairs: int, *, places: bool = False) -> Path:
    """A set in which each person is in two scenes, one after the other, and in no others; and alone there."""
    path = toy_set(folder, num_scenes=2 * num_pairs)
    data = json.loads(path.read_text())
    for number, row in enumerate(data["images"]):
        row.pop("scene", None)
        if places:
            row["scene"] = "yard" if number < 2 else "street"
    seen: set[int] = set()
    for row in data["annotations"]:
        row["person_id"] = -1 if row["image_id"] in seen else (row["image_id"] - 1) // 2
        seen.add(row["image_id"])
    path.write_text(json.dumps(data))
    return path


def test_a_share_of_the_scenes_is_held_out_in_groups_that_share_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = DataConfig(annotations=str(paired_set(tmp_path / "set", 10)), holdout_share=0.25)
    with caplog.at_level("INFO"):
        training, held_out, *_ = split_scenes(data)
    assert (len(training), len(held_out)) == (16, 4)  # two whole pairs of 20 scenes; a fifth scene is half of a pair
    shown, known = ({int(one) for scene in part for one in scene.identities} - {-1} for part in (held_out, training))
    assert (len(shown), len(known), shown & known) == (2, 8, set())
    assert "4 of 20 scenes held out, whose people are in no other" in caplog.text
    again = split_scenes(data).held_out
    assert [scene.image_id for scene in again] == [scene.image_id for scene in held_out]
    # More of them when more are asked for, and never others in place of those.
    more = {scene.image_id for scene in split_scenes(data.model_copy(update={"holdout_share": 0.5})).held_out}
    assert len(more) == 10
    assert more > {scene.image_id for scene in held_out}


def test_a_share_is_of_what_places_leave_and_of_one_set(tmp_path: Path) -> None:
    path = str(paired_set(tmp_path / "set", 5, places=True))
    data = DataConfig(annotations=path, holdout_places=("yard",), holdout_share=0.25)
    training, held_out, *_ = split_scenes(data)
    assert (len(training), len(held_out)) == (6, 2 + 2)
    assert sum(scene.place == "yard" for scene in held_out) == 2
    other = {"annotations": str(toy_set(tmp_path / "other", num_scenes=6))}
    both = DataConfig.model_validate({"sets": [{"annotations": path, "holdout_share": 0.25}, other]})
    assert all(scene.image_id.startswith("1/") for scene in split_scenes(both).held_out)
    with pytest.raises(ValidationError, match="holdout_share belongs to one set"):
        DataConfig.model_validate({"sets": [other], "holdout_share": 0.5})


def test_a_set_in_which_everybody_hangs_together_cannot_be_split_by_people(tmp_path: Path) -> None:
    data = DataConfig(annotations=str(toy_set(tmp_path / "toy")), holdout_share=0.5)
    with pytest.raises(DatasetError, match=r"holds out nobody with a label: .* the largest group has 8 of 8\."):
        split_scenes(data)


def two_sets(tmp_path: Path, **changes: Any) -> DataConfig:
    first = {"annotations": str(toy_set(tmp_path / "one", place_every=4)), "holdout_places": ["b"], "weight": 2.0}
    second = {"annotations": str(toy_set(tmp_path / "two", num_scenes=6)), **changes}
    return DataConfig.model_validate({"sets": [first, second]})


def test_people_and_pictures_of_several_sets_never_coincide(tmp_path: Path) -> None:
    alone = scenes_of(toy_set(tmp_path / "alone", num_scenes=6))
    training, held_out, weights, names, _ = split_scenes(two_sets(tmp_path, weight=0.5))
    assert (len(training), len(held_out)) == (12, 2)
    assert weights.tolist() == [2.0] * 6 + [0.5] * 6
    assert [scene.image_id for scene in held_out] == ["1/003.png", "1/007.png"]
    assert len({scene.image_id for scene in training}) == 12
    for scene, same in zip(training[6:], alone, strict=True):
        assert scene.image_id == f"2/{same.image_id}"
        assert scene.identities.tolist() == [label + 4 if label >= 0 else -1 for label in same.identities.tolist()]
    assert number_identities(training) == {label: label for label in range(8)}
    assert names == {label: f"{1 + label // 4}/{label % 4}" for label in range(8)}


def test_mistakes_in_several_sets_name_the_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"two/train\.json: no place 'b' to hold out; places are: a"):
        split_scenes(two_sets(tmp_path, holdout_places=["b"]))
    data = two_sets(tmp_path, holdout_places=["a"])  # a set may be there to validate on only
    assert [len(scenes) for scenes in split_scenes(data)[:3]] == [6, 8, 6]
    first = data.sets[0].model_copy(update={"holdout_places": ("a", "b")})
    with pytest.raises(DatasetError, match=r"one/train\.json, .*two/train\.json: holding out a, b leaves nothing"):
        split_scenes(data.model_copy(update={"sets": (first, data.sets[1])}))


def test_identities_are_numbered_by_rising_label(toy_annotations: Path) -> None:
    scenes = scenes_of(toy_annotations)
    assert number_identities(scenes) == {0: 0, 1: 1, 2: 2, 3: 3}
    for scene in scenes:
        scene.identities[scene.identities == 1] = 70
    assert number_identities(scenes) == {0: 0, 2: 1, 3: 2, 70: 3}


def test_a_set_without_images_says_so(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    path.write_text('{"images": [], "annotations": []}')
    with pytest.raises(DatasetError, match=r"none\.json.*no images"):
        split_scenes(DataConfig(annotations=str(path)))
