"""Files as nobody would write them: each is read, or refused by an error of ours, and every row is accounted for."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.datasets import Dataset, load_dataset
from personsearch.errors import DatasetError
from tests.datasets.layouts import SEQINFO, balanced, blank

quick = settings(deadline=None, max_examples=60)

numbers = st.one_of(
    st.integers(-2, 3),
    st.floats(),
    st.sampled_from([0.5, 1.0, 40, 1e308, -1e308, 2**63, 10**400, float("nan"), float("inf")]),
)
value = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.text(max_size=3),
    st.sampled_from(["1", "2.0", "true", "No", "off", "perhaps", "NaN", "", "\ud800", "9" * 5000]),
    st.lists(st.integers(), max_size=2),
)


def mostly(good: st.SearchStrategy[Any], often: int = 8) -> st.SearchStrategy[Any]:
    """Draw what makes sense, but now and then anything."""
    return st.integers(0, often).flatmap(lambda number: good if number else value)


def records(often: int = 8, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Draw a list of objects, each with some of these fields."""
    drawn = {name: mostly(field, often) for name, field in fields.items()}
    needed = {name: drawn.pop(name) for name in ("id", "image_id", "bbox", "file_name") if name in drawn}
    one = st.fixed_dictionaries(needed, optional=drawn)
    return st.lists(mostly(one, 12), min_size=1, max_size=5)


SIZE = {"width": 100, "height": 80}
GOOD = {"id": 1, "file_name": "a.png", **SIZE}
truth = st.sampled_from([True, False, 0, 1, "true", "False", "no", ""])
box = st.one_of(
    st.tuples(st.floats(-20, 90), st.floats(-20, 70), st.floats(1, 60), st.floats(1, 60)).map(list),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.lists(numbers, min_size=4, max_size=4),
)
tables = st.fixed_dictionaries(
    {
        "images": records(
            20,
            id=st.sampled_from([2, 3.0, "4", "1"]),
            file_name=st.sampled_from(["./a.png", "b\\..\\a.png", "b.png", "x" * 5000, "nul\0"]),
            time=numbers,
            camera=value,
            scene=value,
        ).map(lambda rows: [GOOD, *({**SIZE, **row} if isinstance(row, dict) else row for row in rows)]),
        "annotations": records(
            id=st.integers(1, 9),
            often=30,
            image_id=st.sampled_from([1, 1, 2, "1", 1.0]),
            bbox=box,
            person_id=st.sampled_from([-1, 0, 1, "2", 3.0]),
            ignore=truth,
            iscrowd=truth,
            category_id=st.sampled_from([1, 2, 3, "1"]),
            attributes=st.fixed_dictionaries({}, optional={"track_id": value, "person_id": value, "ignore": truth}),
        ),
        "categories": records(
            id=st.integers(1, 3), name=st.sampled_from(["person", "Person 7", "people", "staff", "dog"])
        ),
    },
    optional={"queries": records(annotation_id=st.integers(1, 9), person_id=st.integers(0, 3))},
)
#: What is wrong with a file as a whole, which cannot be skipped.
WHOLE = ("is called person", "has no category", "no annotation has a category_id")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank(tmp_path_factory.mktemp("fuzz") / "a.png", 100, 80).parent


def accounted(dataset: Dataset) -> None:
    assert balanced(dataset)
    for scene in dataset.scenes:
        assert (scene.boxes[:, 2:] > scene.boxes[:, :2]).all()
        assert (scene.boxes >= 0).all()
        assert (scene.identities >= -1).all()
        assert (scene.identities[scene.ignore] == -1).all()


def both_ways(path: Path, whole: tuple[str, ...], **options: Any) -> None:
    """Load a set; what is refused for its rows can be read without them."""
    try:
        dataset = load_dataset(path, allow_empty=True, **options)
    except DatasetError as error:
        message = str(error)
    else:
        message = ""
        accounted(dataset)
        assert not dataset.accounting.skipped
    if message:
        assert "skip_bad" in message or "fractions" in message or any(text in message for text in whole)
        if not any(text in message for text in whole):
            dataset = load_dataset(path, allow_empty=True, skip_bad=True, **options)
            accounted(dataset)
            assert dataset.accounting.skipped


@quick
@given(
    data=tables,
    there=st.booleans(),
    people=st.sampled_from([None, None, ["staff"], ["dog", "Person 7"]]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_coco_files(folder: Path, data: Any, there: bool, people: Any, encoding: str) -> None:
    path = folder / "set.json"
    path.write_bytes(json.dumps(data).encode(encoding))
    both_ways(path, WHOLE, queries=path if "queries" in data else None, people=people, require_images=there)


odd_tables = st.dictionaries(
    st.sampled_from(["images", "annotations", "categories"]), mostly(st.lists(value, max_size=3))
)


@quick
@given(mostly(odd_tables))
def test_files_that_are_hardly_coco(folder: Path, data: Any) -> None:
    path = folder / "odd.json"
    path.write_text(json.dumps(data))
    both_ways(path, ("has no list", "must hold a JSON object"))


@quick
@given(st.binary(max_size=40))
def test_files_of_anything(folder: Path, data: bytes) -> None:
    path = folder / "bytes.json"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"bytes\.json"):
        load_dataset(path)


word = st.one_of(
    st.integers(-2, 5).map(str),
    st.floats().map(str),
    st.sampled_from(["1", "2", "3.0", "-1", "0.5", "1e308", "1_0", "x", "", " 2 ", "9" * 30, "9223372036854775807"]),
)
good = st.tuples(
    st.integers(0, 3).map(str),
    st.integers(-1, 4).map(str),
    *(st.floats(0, 90).map(str),) * 4,
    st.sampled_from(["0", "1", "0.87"]),
)
kind = st.sampled_from(["-1", "0", "1", "3", "1.5"])
line = st.one_of(
    st.lists(word, max_size=11),
    st.tuples(good, st.lists(kind, max_size=3)).map(lambda parts: [*parts[0], *parts[1]]),
)


@quick
@given(
    lines=st.lists(line, max_size=6),
    separator=st.sampled_from([",", ";", " ", ", ", "\t"]),
    end=st.sampled_from(["\n", "\r\n", ",\n", "\r"]),
    names=st.lists(st.sampled_from(["{:06d}.png", "{:08d}.PNG", "frame_{}.png", "cover.png"]), min_size=1, max_size=2),
    first=st.integers(0, 2),
    files=st.fixed_dictionaries(
        {},
        optional={
            "seqinfo.ini": st.sampled_from(["", "firstFrame=0\n", "firstFrame=1\n", "firstFrame=x\n"]).map(
                lambda more: SEQINFO.format(name="walk", length=3) + more
            ),
            "gt/labels.txt": st.sampled_from(["person\n", "car\nperson", ""]),
        },
    ),
    people=st.sampled_from([None, None, ["person"], ["1", "3"]]),
)
def test_mot_folders(
    folder: Path,
    lines: list[list[str]],
    separator: str,
    end: str,
    names: list[str],
    first: int,
    files: dict[str, str],
    people: Any,
) -> None:
    with tempfile.TemporaryDirectory() as below:
        sequence = Path(below) / "walk"
        for part in ("gt", "img1"):
            (sequence / part).mkdir(parents=True)
        for number in range(first, first + 3):
            shutil.copy(folder / "a.png", sequence / "img1" / names[number % len(names)].format(number))
        text = "".join(separator.join(words) + end for words in lines)
        for name, content in {"gt/gt.txt": text, **files}.items():
            (sequence / name).write_bytes(content.encode())
        both_ways(sequence, ("has no category",), people=people)


crop = st.one_of(
    st.from_regex(r"(-1|[0-9]{1,4})_(c|C|cam)[0-9]{1,3}(s1)?_[0-9]{1,3}\.(png|PNG)", fullmatch=True),
    st.from_regex(r"(-1|[0-9]{1,3}|x)/(c[0-9]_)?[0-9]{1,3}\.png", fullmatch=True),
    st.sampled_from(
        ["Thumbs.db", "0001_c1.mp4", "0000_c1_0.png", "a.png", f"{2**63}_c1.png", "1_c1.jpg", "1/2/c1.png"]
    ),
)


@quick
@given(st.lists(st.tuples(st.sampled_from(["bounding_box_train", "bounding_box_test", "query"]), crop), max_size=6))
def test_folders_of_crops(folder: Path, crops: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as below:
        root = Path(below)
        for part in ("bounding_box_train", "bounding_box_test", "query"):
            (root / part).mkdir()
        for part, name in crops:
            (root / part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "a.png", root / part / name)
        for split in ("train", "test"):
            dataset = load_dataset(root, split, skip_bad=True, allow_empty=True)
            accounted(dataset)
            assert all(query.identity >= 0 for query in dataset.queries)
            if dataset.accounting.skipped:
                with pytest.raises(DatasetError, match=r"skip_bad"):
                    load_dataset(root, split)
