"""Detecting and searching over HTTP give what the searcher and the gallery give."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.serve.embeddings import from_texts, to_text
from personsearch.serve.faults import Refused
from tests.serve.support import error_of, scene_png


def detect(client: httpx.Client, data: bytes) -> dict:
    answer = client.post("/api/detect", files={"picture": data})
    assert answer.status_code == 200, answer.text
    return answer.json()


def search(client: httpx.Client, **query: object) -> list[dict]:
    answer = client.post("/api/search", json=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["matches"]


def test_a_picture_is_detected_as_by_the_searcher(client: httpx.Client, tiny: PersonSearcher) -> None:
    data = scene_png()
    found, expected = detect(client, data), tiny.detect(data)
    assert (found["width"], found["height"]) == (160, 96)
    assert len(found["people"]) == len(expected) == 5
    np.testing.assert_allclose([one["box"] for one in found["people"]], expected.boxes, atol=1e-4)
    scores = [one["score"] for one in found["people"]]
    assert scores == sorted(scores, reverse=True)
    embeddings = from_texts([one["embedding"] for one in found["people"]], tiny.spec.embedding_size)
    np.testing.assert_allclose(embeddings, expected.embeddings, atol=1e-6)


def test_a_search_by_embedding_finds_what_the_gallery_finds(
    client: httpx.Client, tiny: PersonSearcher, home: Path
) -> None:
    person = detect(client, scene_png())["people"][0]
    matches = search(client, embeddings=[person["embedding"]], k=5, cameras=["door", "yard"], until=150)
    with Gallery.open(home / "gallery", mode="r", calibration=tiny.calibration) as gallery:
        expected = gallery.search(
            from_texts([person["embedding"]], gallery.embedding_size)[0], 5, cameras=["door", "yard"], until=150
        )
    assert [one["detection_id"] for one in matches] == [one.detection_id for one in expected]
    assert [one["similarity"] for one in matches] == pytest.approx([one.similarity for one in expected])
    assert [one["probability"] for one in matches] == pytest.approx([one.probability for one in expected])
    first = matches[0]
    assert (first["image_id"], first["camera"], first["time"], first["time_text"]) == ("0.png", "door", 0.0, "0:00:00")
    assert first["similarity"] == pytest.approx(1, abs=1e-3)
    assert (first["image_size"], first["picture"]) == ([96, 160], True)
    assert first["crop"] == f"/api/detections/{first['detection_id']}/crop.jpg"
    assert "path" not in first
    assert "extra" not in first


def test_a_match_says_how_many_strangers_look_so_alike(client: httpx.Client) -> None:
    # The toy calibration has one threshold, 1 in 100 at 0.4999; the rate 1e-3 has none.
    matches = search(client, detection=1, k=50)
    for match in matches:
        reached = match["similarity"] >= 0.4999
        assert match["false_match_rate"] == (0.01 if reached else None)
        assert match["one_in"] == (100 if reached else None)
    assert {match["one_in"] for match in search(client, detection=1, k=50, max_false_match_rate=0.01)} == {100}


def test_the_stored_are_searched_for_without_themselves(client: httpx.Client) -> None:
    assert 1 not in [one["detection_id"] for one in search(client, detection=1, k=200)]
    person = client.get("/api/people").json()["people"][0]
    own = {
        sighting["detection_id"]
        for one in client.get(f"/api/people/{person['person_id']}").json()["appearances"]
        for sighting in one["sightings"]
    }
    assert own
    assert not own & {one["detection_id"] for one in search(client, person=person["person_id"], k=200)}


def test_feedback_leaves_out_what_was_wrong(client: httpx.Client) -> None:
    first = search(client, detection=1, k=3)
    again = search(client, detection=1, k=200, like=[first[0]["detection_id"]], unlike=[first[1]["detection_id"]])
    assert first[1]["detection_id"] not in [one["detection_id"] for one in again]
    alone = search(client, like=[1], k=1)
    assert alone[0]["detection_id"] == 1


def test_one_call_with_pictures_and_boxes(client: httpx.Client, tiny: PersonSearcher) -> None:
    data = scene_png()
    answer = client.post(
        "/api/search/picture",
        files=[("picture", ("a.png", data)), ("picture", ("b.png", data))],
        data={"box": ["10,10,31,70", "60,20,81,80"], "k": "4", "combine": "best", "cameras": ["door"]},
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [one["box"] for one in found["queries"]] == [[10, 10, 31, 70], [60, 20, 81, 80]]
    assert [one["score"] for one in found["queries"]] == [None, None]
    assert len(found["matches"]) == 4
    assert {one["camera"] for one in found["matches"]} == {"door"}
    embedded = [
        client.post("/api/embed", files={"picture": data}, data={"box": box}).json()
        for box in ("10,10,31,70", "60,20,81,80")
    ]
    assert (embedded[0]["width"], embedded[0]["height"], embedded[0]["people"][0]["score"]) == (160, 96, None)
    texts = [one["people"][0]["embedding"] for one in embedded]
    expected = tiny.embed_boxes(data, [(10, 10, 31, 70), (60, 20, 81, 80)])
    np.testing.assert_allclose(from_texts(texts, tiny.spec.embedding_size), expected, atol=1e-5)
    again = search(client, embeddings=texts, k=4, combine="best", cameras=["door"])
    assert [one["detection_id"] for one in again] == [one["detection_id"] for one in found["matches"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no base64!", "is no base64"),
        ("AAAA", "holds 3 bytes"),
        (base64.b64encode(np.full(512, np.nan, "<f4").tobytes()).decode(), "finite and of unit length"),
        (base64.b64encode(np.zeros(512, "<f4").tobytes()).decode(), "finite and of unit length"),
        (base64.b64encode(np.full(512, 1.0, "<f4").tobytes()).decode(), "finite and of unit length"),
        (base64.b64encode(np.full(512, 3e38, "<f4").tobytes()).decode(), "finite and of unit length"),
    ],
)
def test_embeddings_are_checked(client: httpx.Client, text: str, words: str) -> None:
    answer = client.post("/api/search", json={"embeddings": [text]})
    assert answer.status_code == 400
    assert words in error_of(answer)


def test_embeddings_come_back_as_they_went() -> None:
    vector = np.random.default_rng(0).normal(size=512).astype(np.float32)
    vector /= np.linalg.norm(vector)
    assert (from_texts([to_text(vector)], 512)[0] == vector).all()
    with pytest.raises(Refused, match=r"embeddings\[1\]: holds 2048 bytes"):
        from_texts([to_text(np.array([1, 0], np.float32)), to_text(vector)], 2)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({}, 400, "there is nobody to look for"),
        ({"track": 1, "person": 1}, 400, "leave out the others"),
        ({"track": 999}, 404, "there is no track 999"),
        ({"person": 999}, 404, "there is no person 999"),
        ({"detection": 999}, 400, "nobody has detection_id 999"),
        ({"detection": 1, "like": [2], "unlike": [2]}, 400, "it can only be in one"),
        ({"detection": 1, "k": 0}, 422, "k: Input should be greater than or equal to 1"),
        ({"detection": 1, "k": 201}, 422, "k: Input should be less than or equal to 200"),
        ({"detection": 2**70}, 422, "detection: Input should be less than or equal to"),
        ({"detection": 1, "threshold": 0.5}, 422, "threshold: Extra inputs are not permitted"),
        ({"detection": 1, "max_false_match_rate": 0.001}, 400, "too few pairs"),
        ({"detection": 1, "max_false_match_rate": 0.5}, 400, "not in the calibration"),
        ({"detection": 1, "since": "soon"}, 422, "since: Input should be a valid number"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(client: httpx.Client, query: dict, status: int, words: str) -> None:
    answer = client.post("/api/search", json=query)
    assert answer.status_code == status
    assert words in error_of(answer)


@pytest.mark.parametrize("body", [b"{", b'{"since": NaN, "detection": 1}', b"[" * 100_000, b"\xff\xfe", b"null"])
def test_a_body_that_is_no_query_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/api/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    error_of(answer)


def test_eight_clients_at_once_get_the_answers_of_one(client: httpx.Client) -> None:
    pictures = [scene_png(seed) for seed in range(8)]
    alone = [detect(client, one) for one in pictures]
    found = [search(client, embeddings=[one["people"][0]["embedding"]], k=5) for one in alone]
    together = threading.Barrier(8)

    def ask(number: int) -> tuple[dict, list[dict]]:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            together.wait()
            people = detect(own, pictures[number])
            return people, search(own, embeddings=[people["people"][0]["embedding"]], k=5)

    with ThreadPoolExecutor(8) as pool:
        for number, (people, matches) in enumerate(pool.map(ask, range(8))):
            assert people == alone[number]
            assert matches == found[number]
