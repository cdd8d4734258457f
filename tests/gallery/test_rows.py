from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from personsearch.gallery.rows import ImageRow, PersonRow, content_digest, stored_vectors, unit
from tests.gallery.toy import people


def image_row() -> ImageRow:
    row = ImageRow.new("a.jpg", people(2, 1), "door", 7.5, '{"n": 1}')
    return replace(row, id=4, checksum=row.values()[-1])


def person_row() -> PersonRow:
    row = PersonRow(0, 4, (1.0, 2.0, 30.0, 40.0), 0.75, people(1, 1).embeddings[0].astype(np.float16).tobytes())
    return replace(row, id=9, checksum=row.values()[-1])


CHANGES: dict[str, list[object]] = {
    "image_id": ["b.jpg", None],
    "camera": [None, "doos"],
    "time": [None, 7.25],
    "width": [201],
    "height": [101, b"x"],
    "extra": ['{"n": 2}'],
    "digest": [b"\0" * 32],
    "image": [5],
    "box": [(1.0, 2.0, 30.0, 41.0)],
    "score": [0.5, None],
    "embedding": [b"\0" * 32],
    "checksum": [0, None],
}


@pytest.mark.parametrize("row", [image_row(), person_row()], ids=["scene", "person"])
def test_a_change_of_any_value_is_noticed(row: ImageRow | PersonRow) -> None:
    assert row.intact
    for field in fields(row):
        if field.name == "id":
            continue  # the database's own
        for value in CHANGES[field.name]:
            assert not replace(row, **{field.name: value}).intact, (field.name, value)


def test_a_row_holds_what_it_was_made_of() -> None:
    row = image_row()
    assert (row.image_id, row.camera, row.time, row.width, row.height, row.extra) == (
        "a.jpg",
        "door",
        7.5,
        200,
        100,
        '{"n": 1}',
    )
    assert PersonRow.of((9, *person_row().values())) == person_row()


def test_the_digest_is_of_everything_that_is_stored() -> None:
    detections = people(2, 1)
    same = content_digest(detections, "door", 7.5, "{}")
    assert content_digest(replace(detections, image_id="other"), "door", 7.5, "{}") == same
    moved = replace(detections, boxes=detections.boxes + np.float32(1))
    others = [
        content_digest(moved, "door", 7.5, "{}"),
        content_digest(detections[:1], "door", 7.5, "{}"),
        content_digest(replace(detections, scores=detections.scores / 2), "door", 7.5, "{}"),
        content_digest(replace(detections, embeddings=people(2, 3).embeddings), "door", 7.5, "{}"),
        content_digest(replace(detections, image_size=(200, 100)), "door", 7.5, "{}"),
        content_digest(detections, None, 7.5, "{}"),
        content_digest(detections, "door", None, "{}"),
        content_digest(detections, "door", 7.5, '{"n": 1}'),
    ]
    assert len({same, *others}) == 9


def test_minus_zero_and_what_half_precision_loses_are_the_same_content() -> None:
    detections = people(1, 0)
    negative = replace(detections, boxes=np.where(detections.boxes == 0, np.float32(-0.0), detections.boxes))
    assert np.signbit(negative.boxes).any()
    halved = replace(detections, embeddings=detections.embeddings.astype(np.float16).astype(np.float32))
    assert (halved.embeddings != detections.embeddings).any()
    digests = {content_digest(one, None, None, "{}") for one in (detections, negative, halved)}
    assert len(digests) == 1


@given(arrays(np.float16, st.tuples(st.integers(0, 4), st.just(3)), elements=st.floats(-1, 1, width=16)))
def test_vectors_come_back_as_they_were_stored(vectors: np.ndarray) -> None:
    back = stored_vectors([vector.tobytes() for vector in vectors], 3)
    assert back.dtype == np.float16
    assert back.tolist() == vectors.tolist()


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="an embedding is not 3 numbers long"):
        stored_vectors([bytes(6), bytes(4)], 3)


def test_unit_length_is_restored_and_zero_stays_zero() -> None:
    vectors = unit(np.array([[3, 4], [0, 0], [0.5, 0]], np.float16))
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, [[0.6, 0.8], [0, 0], [1, 0]])
