from pathlib import Path

import pytest

from personsearch.datasets import load_dataset
from personsearch.errors import DatasetError
from tests.datasets.layouts import SEQINFO, balanced, write_mot

LINES = [
    "1,5,10,20,30,40,1,1,1",
    "1,6,-10,20,30,40,1,1,0.5",
    "2,5,12,20,30,40,1,1,1",
    "2,7,50,20,30,40,0,1,1",  # counts neither way
    "2,8,50,20,30,40,1,3,1",  # a car
    "3,7,60,20,30,40,1,1,1",
]


def test_a_sequence(tmp_path: Path) -> None:
    dataset = load_dataset(write_mot(tmp_path / "walk", LINES))
    assert dataset.name == "mot/walk"
    first, second, third = dataset.scenes
    assert (first.image_id, first.path) == ("walk/img1/000001.jpg", tmp_path / "walk" / "img1" / "000001.jpg")
    assert (first.width, first.height, first.camera, first.place) == (200, 100, "walk", "walk")
    assert [scene.time for scene in dataset.scenes] == [0.0, 0.1, 0.2]
    assert first.boxes.tolist() == [[10, 20, 40, 60], [0, 20, 20, 60]]
    assert first.identities.tolist() == [5, 6]
    assert (second.identities.tolist(), second.ignore.tolist()) == ([5, -1], [False, True])
    assert third.identities.tolist() == [7]
    assert dataset.accounting.dropped == {"class 3 (car)": 1}
    assert [(query.image_id[-10:], query.identity) for query in dataset.queries] == [("000001.jpg", 5)]
    # 6 and 7 are in one frame each: the default protocol could find them nowhere else.
    assert dataset.accounting.changed == {
        "clipped to the image": 1,
        "ignored, kept without its label": 1,
        "no query, because no other frame shows the person": 2,
    }
    assert balanced(dataset)


def test_mot15_has_no_class_and_frames_may_be_empty(tmp_path: Path) -> None:
    dataset = load_dataset(write_mot(tmp_path / "old", ["2,1,10.5,20,30,40,1,-1,-1,-1", "3,1,1,2,3,4,1"]), "train")
    assert [scene.identities.tolist() for scene in dataset.scenes] == [[], [1], [1]]
    assert dataset.scenes[0].boxes.shape == (0, 4)
    assert dataset.queries == ()
    assert len(load_dataset(tmp_path / "old", "train", queries="first").queries) == 1


def test_people_who_have_left_the_image_are_left_out(tmp_path: Path) -> None:
    lines = ["1,5,200,20,30,40,1,1,1", "1,6,-30,20,30,40,1,1,1", "1,7,199,20,30,40,1,1,1", "1,8,-30,20,-3,40,1,1,1"]
    folder = write_mot(tmp_path / "walk", lines)
    with pytest.raises(DatasetError, match=r"^[^\n]*gt\.txt: line 4: bbox \[-30.0, 20.0, -3.0, 40.0\] has no area"):
        load_dataset(folder)
    dataset = load_dataset(folder, skip_bad=True)
    assert dataset.scenes[0].boxes.tolist() == [[199, 20, 200, 60]]
    assert dataset.accounting.dropped == {"wholly outside the image": 2}
    assert balanced(dataset)


def test_people_of_different_sequences_are_different_unless_asked(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_mot(tmp_path / "set" / "train" / name, LINES)
    apart = load_dataset(tmp_path / "set", "train")
    assert apart.name == "mot/set-train"
    assert [scene.identities.tolist() for scene in apart.scenes[::3]] == [[5, 6], [13, 14]]  # 7 is the last of "a"
    shared = load_dataset(tmp_path / "set", "train", format="mot-shared")
    assert [scene.identities.tolist() for scene in shared.scenes[::3]] == [[5, 6], [5, 6]]
    assert len(load_dataset(tmp_path / "set" / "train", format="mot-shared").queries) == 6  # once before each camera


def test_mot17_has_three_copies_of_each_video(tmp_path: Path) -> None:
    for name in ("MOT17-02-DPM", "MOT17-02-FRCNN", "MOT17-02-SDP", "MOT17-04-DPM"):
        write_mot(tmp_path / "MOT17" / name, LINES)
    dataset = load_dataset(tmp_path / "MOT17", "train")
    assert {scene.camera for scene in dataset.scenes} == {"MOT17-02-DPM", "MOT17-04-DPM"}
    assert dataset.accounting.dropped["another copy of a video (MOT17 has three of each)"] == 12
    assert balanced(dataset)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,5,10,2O,30,40,1,1,1", r"gt/gt\.txt: line 2: expected numbers, got '1,5,10,2O,30,40,1,1,1'"),
        ("1,5,10,20,30", r"line 2: expected 7 to 10 numbers, got 5"),
        ("1,5,10,20,nan,40,1,1,1", r"line 2: bbox must be four finite numbers"),
        ("1,5,10,20,-30,40,1,1,1", r"line 2: bbox \[10.0, 20.0, -30.0, 40.0\] has no area"),
        ("9,5,10,20,30,40,1,1,1", r"line 2: frame 9 is not in 1\.\.3 of seqinfo\.ini"),
        ("1.5,5,10,20,30,40,1,1,1", r"line 2: frame 1\.5 must be a whole number, 0 or more"),
        ("1,-2,10,20,30,40,1,1,1", r"line 2: track id -2 must be a whole number, 0 or more \(-1 = without"),
        ("1,5,10,20,30,40,inf,1,1", r"line 2: flag, class and visibility must be finite"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    folder = write_mot(tmp_path / "walk", [LINES[5], line, *LINES[:2]])
    with pytest.raises(DatasetError, match=message):
        load_dataset(folder)
    dataset = load_dataset(folder, skip_bad=True)
    assert (dataset.accounting.kept, len(dataset.accounting.skipped)) == (3, 1)
    assert balanced(dataset)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frameRate=10", r"seqinfo\.ini: File contains no section headers"),
        ("[Sequence]\nframeRate=10", r"seqinfo\.ini: has no seqLength"),
        ("[Seq]\n", r"seqinfo\.ini: has no Sequence"),
        (SEQINFO.format(name="a", length="x"), r"seqinfo\.ini: invalid literal"),
        (SEQINFO.format(name="a", length=0), "must be above 0"),
    ],
)
def test_seqinfo(tmp_path: Path, text: str, message: str) -> None:
    folder = write_mot(tmp_path / "walk", LINES)
    (folder / "seqinfo.ini").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_dataset(folder)


def test_missing_files(tmp_path: Path) -> None:
    folder = write_mot(tmp_path / "walk", LINES)
    (folder / "img1" / "000002.jpg").unlink()
    with pytest.raises(DatasetError, match=r"000002\.jpg: no such image"):
        load_dataset(folder)
    dataset = load_dataset(folder, skip_bad=True)
    assert dataset.accounting.dropped == {"class 3 (car)": 1, "image cannot be used": 2}
    assert balanced(dataset)
    (folder / "gt" / "gt.txt").unlink()
    with pytest.raises(DatasetError, match=r"gt\.txt: cannot be read .* does not publish the labels"):
        load_dataset(folder)
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match=r"no seqinfo\.ini in it or below"):
        load_dataset(tmp_path / "none", format="mot")
    with pytest.raises(DatasetError, match="have the protocol 'first' only, not 'standard'"):
        load_dataset(folder, queries="standard")
    with pytest.raises(DatasetError, match=r"seqinfo\.ini says where the frames of a MOT folder are"):
        load_dataset(folder, images=tmp_path)
