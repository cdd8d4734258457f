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


def test_people_without_a_track_have_no_label(tmp_path: Path) -> None:
    dataset = load_dataset(write_mot(tmp_path / "walk", ["1,-1,10,20,30,40,1,1,1", "1,-1.0,50,20,30,40,1,1,1"]))
    assert dataset.scenes[0].identities.tolist() == [-1, -1]


@pytest.mark.parametrize("end", ["0.87,0,-1", "1,-1,-1", "1,-1,-1,-1", "0.5,7,-1", "1"])
def test_one_class_in_all_rows_is_people(tmp_path: Path, end: str) -> None:
    lines = [f"{frame},5,10,20,30,40,{end}" for frame in (1, 2, 3)]
    dataset = load_dataset(write_mot(tmp_path / "walk", lines))
    assert [scene.identities.tolist() for scene in dataset.scenes] == [[5], [5], [5]]
    assert (dataset.accounting.kept, dataset.accounting.dropped) == (3, {})


def test_a_set_of_cars_is_an_error_that_counts_them(tmp_path: Path) -> None:
    folder = write_mot(tmp_path / "cars", [f"{frame},5,10,20,30,40,1,3,1" for frame in (1, 2, 3)])
    with pytest.raises(DatasetError, match=r"cars \(test\): all 3 boxes were left out: 3 class 3 \(car\); say which"):
        load_dataset(folder)
    for name in ("Car", "3"):
        assert load_dataset(folder, people=[name]).accounting.kept == 3
    with pytest.raises(DatasetError, match=r"cars: has no category dog; it has car \(3\)"):
        load_dataset(folder, people=["dog"])


def test_an_unclear_class_is_an_error_of_the_file(tmp_path: Path) -> None:
    folder = write_mot(tmp_path / "set" / "a", ["1,5,10,20,30,40,0.5,2,-1", "2,5,10,20,30,40,0.5,4,-1"])
    write_mot(tmp_path / "set" / "b", LINES)
    with pytest.raises(DatasetError, match=r"gt\.txt: it is unclear which class is people: 2 \(1\), 4 \(1\); say it"):
        load_dataset(tmp_path / "set")
    dataset = load_dataset(tmp_path / "set", skip_bad=True)
    assert {scene.camera for scene in dataset.scenes} == {"b"}
    assert dataset.accounting.dropped["image cannot be used"] == 2
    assert balanced(dataset)
    assert len(load_dataset(folder, people=["2"]).scenes) == 3


def renamed(folder: Path, name: str, first: int) -> Path:
    """Rename the frames of a sequence."""
    images = folder / "img1"
    for number, path in enumerate(sorted(images.iterdir())):
        path.rename(images / name.format(number + first))
    return folder


@pytest.mark.parametrize(
    ("name", "first", "frames"),
    [
        ("{:08d}.jpg", 1, (1, 2, 3)),  # DanceTrack
        ("{:08d}.jpg", 0, (0, 1, 2)),
        ("frame_{:06d}.PNG", 0, (1, 2, 3)),
        ("{:06d}.webp", 0, (1, 2, 3)),
        ("cam3_{}.jpeg", 7, (7, 8, 9)),
    ],
)
@pytest.mark.parametrize("seqinfo", [True, False])
def test_frames_of_any_name(tmp_path: Path, name: str, first: int, frames: tuple[int, ...], seqinfo: bool) -> None:
    lines = [f"{frame},{place},10,20,30,40,1,1,1" for place, frame in enumerate(frames)]
    folder = renamed(write_mot(tmp_path / "walk", lines), name, first)
    if not seqinfo:
        (folder / "seqinfo.ini").unlink()
    dataset = load_dataset(folder)
    assert [scene.path.name for scene in dataset.scenes] == [name.format(first + place) for place in range(3)]
    assert [scene.identities.tolist() for scene in dataset.scenes] == [[0], [1], [2]]
    assert [scene.time for scene in dataset.scenes] == ([0.0, 0.1, 0.2] if seqinfo else [None] * 3)
    assert {(scene.width, scene.height) for scene in dataset.scenes} == {(200, 100)}
    assert balanced(dataset)


def test_what_cvat_exports(tmp_path: Path) -> None:
    # The last frame shows nobody, so that numbers alone could not tell which picture is frame 1.
    folder = renamed(
        write_mot(tmp_path / "task", ["1,3,10,20,30,40,1,2,1.0", "2,3,10,20,30,40,1,1,1.0"]), "frame_{:06d}.PNG", 0
    )
    (folder / "seqinfo.ini").unlink()
    with pytest.raises(
        DatasetError, match=r"frames 1 to 2 may be the numbers of the pictures, 0 to 2, or count .*firstFrame=0"
    ):
        load_dataset(folder)
    (folder / "gt" / "labels.txt").write_text("bag\r\nperson\r\n")
    dataset = load_dataset(folder)
    assert [(scene.path.name, scene.identities.tolist()) for scene in dataset.scenes] == [
        ("frame_000000.PNG", [3]),
        ("frame_000001.PNG", []),
        ("frame_000002.PNG", []),
    ]
    assert (dataset.name, dataset.accounting.dropped) == ("mot/task", {"class 1 (bag)": 1})
    assert load_dataset(folder, people=["bag"]).scenes[1].identities.tolist() == [3]


def test_seqinfo_may_say_which_frame_is_first(tmp_path: Path) -> None:
    folder = renamed(write_mot(tmp_path / "walk", ["1,3,10,20,30,40,1,1,1"]), "{:06d}.jpg", 0)
    with pytest.raises(DatasetError, match="may be the numbers of the pictures"):
        load_dataset(folder)
    for first, place in ((0, 1), (1, 0)):
        (folder / "seqinfo.ini").write_text(SEQINFO.format(name="walk", length=3) + f"firstFrame={first}\n")
        dataset = load_dataset(folder)
        assert [len(scene.boxes) for scene in dataset.scenes] == [int(number == place) for number in range(3)]


def test_odd_but_clear_files(tmp_path: Path) -> None:
    info = SEQINFO.format(name="walk", length=3).replace("Sequence", "sequence").replace(".jpg", "jpg")
    line = "1,5,10,20,30,40,1,1,1"
    for number, (text, encoding) in enumerate(
        [
            (line, "utf-8-sig"),
            (f"{line},\r\n", "utf-16"),
            (line.replace(",", " "), "utf-8"),
            (line.replace(",", ";"), "utf-8"),
        ]
    ):
        folder = write_mot(tmp_path / str(number), [])
        (folder / "gt" / "gt.txt").write_bytes(text.encode(encoding))
        (folder / "seqinfo.ini").write_bytes(info.encode("utf-8-sig"))
        assert load_dataset(folder).scenes[0].identities.tolist() == [5]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,9223372036854775808,10,20,30,40,1,1,1", "track id 9223372036854775808 is too large; number people from 0"),
        ("1,5,10,20,30,40,1,1.5,1", r"line 1: class 1\.5 must be a whole number"),
        ("1,1_0,10,20,30,40,1,1,1", "line 1: expected numbers, got"),
        ("1,5,0.1,0.2,0.3,0.4,1,1,1", "line 1: bbox .* looks like fractions of the image"),
        ("-1,5,10,20,30,40,1,1,1", "line 1: frame -1 must be a whole number, 0 or more"),
        ("1e300,5,10,20,30,40,1,1,1", r"line 1: frame 1e300 must be"),
        ("1;5;10,5;20;30;40;1;1;1", "line 1: expected 7 to 10 numbers, got 2"),
    ],
)
def test_numbers_that_cannot_be_name_their_line(tmp_path: Path, line: str, message: str) -> None:
    folder = write_mot(tmp_path / "walk", [line, *LINES[:2]])
    with pytest.raises(DatasetError, match=message):
        load_dataset(folder)
    dataset = load_dataset(folder, skip_bad=True)
    assert (dataset.accounting.kept, len(dataset.accounting.skipped)) == (2, 1)
    assert balanced(dataset)


def test_identities_of_later_sequences_must_fit_too(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_mot(tmp_path / name, ["1,9223372036854775807,10,20,30,40,1,1,1"])
    with pytest.raises(DatasetError, match=r"b/gt/gt\.txt: line 1: track id 9223372036854775807 is too large"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path / "a").scenes[0].identities.tolist() == [2**63 - 1]


def test_missing_pictures_of_a_sequence(tmp_path: Path) -> None:
    folder = write_mot(tmp_path / "walk", LINES)
    for path in (folder / "img1").iterdir():
        path.unlink()
    (folder / "img1" / "cover.jpg").touch()
    with pytest.raises(DatasetError, match="img1: no pictures with a number in their name"):
        load_dataset(folder)
    with pytest.raises(
        DatasetError, match=r"walk \(test\): has no scene that can be used: 1 malformed, the first: .*img1"
    ):
        load_dataset(folder, skip_bad=True)
    dataset = load_dataset(folder, skip_bad=True, allow_empty=True)
    assert dataset.accounting.dropped == {"image cannot be used": 6}
    assert balanced(dataset)


def test_pictures_that_are_no_frames_are_counted(tmp_path: Path) -> None:
    folder = write_mot(tmp_path / "walk", LINES)
    (folder / "img1" / "cover.jpg").touch()
    dataset = load_dataset(folder)
    assert dataset.accounting.dropped["picture without a frame's number in its name"] == 1
    assert balanced(dataset)


def test_the_other_split_is_named(tmp_path: Path) -> None:
    write_mot(tmp_path / "set" / "train" / "a", LINES)
    with pytest.raises(
        DatasetError, match=r"set: its sequences are in train; read that with split='train' \(--split\)"
    ):
        load_dataset(tmp_path / "set")
    assert len(load_dataset(tmp_path / "set", "train").scenes) == 3
