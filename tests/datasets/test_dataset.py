from dataclasses import replace

import numpy as np
import pytest

from personsearch.datasets import Accounting, Dataset, GalleryList, Problem, Query
from tests.datasets.scenes import scene_of


def small() -> Dataset:
    """Two scenes and a query with a gallery of its own."""
    boxes = np.array([[1, 2, 3, 4]], np.float32)
    gallery = GalleryList(image_ids=("b.jpg",), boxes=boxes)
    query = Query(image_id="a.jpg", box=boxes[0], identity=5, gallery=gallery)
    people = {"boxes": boxes, "identities": np.array([5]), "ignore": np.array([False])}
    scenes = tuple(scene_of(name, **people) for name in ("a.jpg", "b.jpg"))
    return Dataset(name="a", scenes=scenes, queries=(query,), accounting=Accounting(rows=2, kept=2))


def test_an_account_has_a_line_for_each_kind_of_change_and_each_skipped_row() -> None:
    account = Accounting(
        rows=1200,
        kept=1190,
        changed={"clipped to the image": 3},
        dropped={"class 3 (car)": 9},
        skipped=(Problem(file="a.json", row="row 3", what="no bbox"),),
    )
    assert account.lines() == [
        "3 of 1,200 boxes: clipped to the image",
        "9 of 1,200 boxes left out: class 3 (car)",
        "skipped: a.json: row 3: no bbox",
    ]
    assert Accounting(rows=5, kept=5).lines() == []


def test_a_problem_with_a_whole_file_has_no_row() -> None:
    assert str(Problem(file="a.mat", row="", what="no such file")) == "a.mat: no such file"


def test_the_digest_depends_on_the_annotations_alone() -> None:
    dataset = small()
    assert len(dataset.digest) == 64
    assert dataset.digest == small().digest
    assert replace(dataset, name="b", accounting=Accounting(rows=0, kept=0)).digest == dataset.digest


@pytest.mark.parametrize(
    "change",
    [
        {"image_id": "c.jpg"},
        {"width": 5},
        {"camera": "c1"},
        {"time": 0.0},
        {"boxes": np.array([[1, 2, 3, 5]], np.float32)},
        {"identities": np.array([6])},
        {"ignore": np.array([True])},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_digest_sees_each_annotation_of_a_scene(change: dict[str, object]) -> None:
    dataset = small()
    scenes = (replace(dataset.scenes[0], **change), dataset.scenes[1])  # type: ignore[arg-type]
    assert replace(dataset, scenes=scenes).digest != dataset.digest


def test_the_digest_sees_queries_and_their_galleries() -> None:
    dataset = small()
    query = dataset.queries[0]
    assert query.gallery is not None
    nobody = GalleryList(image_ids=("b.jpg",), boxes=np.full((1, 4), np.nan, np.float32))
    others = [(), (replace(query, identity=6),), (replace(query, gallery=None),), (replace(query, gallery=nobody),)]
    digests = {replace(dataset, queries=queries).digest for queries in others}
    assert len(digests | {dataset.digest}) == 5
