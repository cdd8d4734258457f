"""Whatever is in a form comes out of it, however it is cut into pieces on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser

from personsearch.serve.faults import Refused
from personsearch.serve.parts import MOST_FIELD_BYTES, MOST_FIELDS, MOST_HEAD_BYTES, MOST_PICTURES, Parts

BOUNDARY = b"8f2d-boundary-1c"


def form_of(entries: list[tuple[str, str | bytes]]) -> bytes:
    """Write a form: pictures are bytes, other fields are texts."""
    whole = b""
    for name, content in entries:
        file = '; filename="a.jpg"\r\nContent-Type: image/jpeg' if isinstance(content, bytes) else ""
        data = content if isinstance(content, bytes) else content.encode()
        head = f'Content-Disposition: form-data; name="{name}"{file}'.encode()
        whole += b"--" + BOUNDARY + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n"
    return whole + b"--" + BOUNDARY + b"--\r\n"


def read(form: bytes, step: int = 1000) -> Parts:
    parts = Parts()
    parser = MultipartParser(BOUNDARY, parts.callbacks())
    for start in range(0, len(form), step):
        parser.write(form[start : start + step])
    parser.finalize()
    return parts


pictures = st.tuples(st.just("picture"), st.binary(max_size=300).filter(lambda data: BOUNDARY not in data))
fields = st.tuples(
    st.sampled_from(["box", "k", "camera", "kamera-ü"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)


@given(st.lists(pictures | fields, min_size=1, max_size=12), st.integers(1, 400))
def test_a_form_is_read_as_it_was_written(entries: list[tuple[str, str | bytes]], step: int) -> None:
    parts = read(form_of(entries), step)
    assert parts.ended
    assert parts.pictures == [content for _, content in entries if isinstance(content, bytes)]
    texts: dict[str, list[str]] = {}
    for name, content in entries:
        if isinstance(content, str):
            texts.setdefault(name, []).append(content)
    assert parts.fields == texts


@given(st.integers(1, 500))
def test_a_form_that_is_cut_off_has_not_ended(length: int) -> None:
    form = form_of([("picture", b"x" * 300), ("k", "5")])
    assert not read(form[: -length - 3]).ended


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("picture", b"x")] * (MOST_PICTURES + 1), "at most 16 pictures"),
        ([("k", "x")] * (MOST_FIELDS + 1), "600 other fields"),
        ([("k", "x" * (MOST_FIELD_BYTES + 1))], "'k': is longer than 16384 bytes"),
        ([("k" * (MOST_HEAD_BYTES + 1), "x")], "the head of a part is longer than 2048 bytes"),
        ([("picture", "http://a.example/b.jpg")], "no path or URL is read"),
        ([("other", b"x")], "'other': is sent as a file"),
        ([("", "x")], "a part has no name"),
    ],
)
def test_limits(entries: list[tuple[str, str | bytes]], words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        read(form_of(entries), step=64)
    assert refused.value.status == 400


def test_as_much_as_is_allowed_passes() -> None:
    most = [("picture", b"x")] * MOST_PICTURES + [("k", "x" * MOST_FIELD_BYTES)] * 3 + [("b", "x")] * (MOST_FIELDS - 3)
    parts = read(form_of(most))
    assert len(parts.pictures) == MOST_PICTURES
    assert sum(map(len, parts.fields.values())) == MOST_FIELDS
