"""People over HTTP are those of the gallery."""

from __future__ import annotations

import httpx
import pytest

from tests.serve.support import Served, error_of


def listed(client: httpx.Client, **options: object) -> list[dict]:
    answer = client.get("/api/people", params=options)
    assert answer.status_code == 200, answer.text
    return answer.json()["people"]


def test_people_are_those_of_the_gallery(served: Served) -> None:
    answer = served.client.get("/api/people", params={"limit": 200}).json()
    with served.gallery() as gallery:
        everybody = {one.person_id: one for one in gallery.people.all()}
    assert answer["total"] == len(answer["people"]) == len(everybody)
    assert answer["ungrouped"] == 0
    counts = [one["appearances"] for one in answer["people"]]
    assert counts == sorted(counts, reverse=True)
    for one in answer["people"]:
        person = everybody[one["person_id"]]
        assert one["detections"] == len(person.detection_ids)
        assert one["cameras"] == list(person.cameras)
        assert (one["first"], one["last"]) == (person.first, person.last)
        assert one["cover"]["detection_id"] in person.detection_ids
        assert one["cover"]["person_id"] == person.person_id


def test_people_page_by_page_by_camera_and_sorted(client: httpx.Client) -> None:
    everybody = listed(client, limit=200)
    assert listed(client, offset=1, limit=2) == everybody[1:3]
    assert listed(client, offset=1000) == []
    yard = listed(client, camera="yard", limit=200)
    assert yard == [one for one in everybody if "yard" in one["cameras"]]
    first = [one["first"] for one in listed(client, sort="first", limit=200)]
    assert first == sorted(first)
    assert client.get("/api/people", params={"sort": "size"}).status_code == 422


def test_one_person_with_all_appearances(client: httpx.Client) -> None:
    number = listed(client)[0]["person_id"]
    person = client.get(f"/api/people/{number}").json()
    assert sum(len(one["sightings"]) for one in person["appearances"]) == person["detections"]
    for one in person["appearances"]:
        assert {sighting["person_id"] for sighting in one["sightings"]} == {number}
    assert error_of(client.get("/api/people/9999")).startswith("there is no person 9999 here")


def test_decisions_by_hand_and_back(served: Served) -> None:
    client = served.client
    first, second, third = (one["person_id"] for one in listed(client)[:3])
    before = client.get(f"/api/people/{first}").json()
    merged = client.post("/api/people/merge", json={"person_ids": [first, second]}).json()
    assert (merged["person_id"], merged["by_hand"]) == (first, True)
    assert client.get(f"/api/people/{second}").status_code == 404
    named = client.put(f"/api/people/{first}/name", json={"name": "  Anna  Berg "}).json()
    assert named["name"] == "Anna Berg"
    taken = client.put(f"/api/people/{third}/name", json={"name": "Anna Berg"})
    assert taken.status_code == 400
    assert (
        error_of(taken) == f"gallery: person {first} is called Anna Berg already; merge the two, or choose another name"
    )
    assert listed(client, sort="name")[0]["name"] == "Anna Berg"
    one = merged["appearances"][0]["sightings"][0]["detection_id"]
    new = client.post(f"/api/people/{first}/split", json={"detections": [one]}).json()
    assert [s["detection_id"] for a in new["appearances"] for s in a["sightings"]] == [one]
    decisions = client.get("/api/people/decisions").json()["decisions"]
    assert [entry["what"] for entry in decisions] == ["merge", "name", "split"]
    assert [entry["text"] for entry in decisions] == [
        f"people {first} and {second} are one person",
        f"person {first} is called Anna Berg",
        f"person {new['person_id']} is somebody else than person {first}",
    ]
    undone = [client.post("/api/people/undo").json()["undone"] for _ in range(4)]
    assert [one and one["what"] for one in undone] == ["split", "name", "merge", None]
    assert client.get(f"/api/people/{first}").json() == before
    assert client.put(f"/api/people/{first}/name", json={"name": None}).json()["name"] is None


def test_grouping(served: Served) -> None:
    done = served.client.post("/api/people/group", json={"min_similarity": 0.99}).json()
    assert done["min_similarity"] == 0.99
    assert done["appearances"] == 30
    assert done["persons"] == served.client.get("/api/people").json()["total"]
    by_rate = served.client.post("/api/people/group", json={"max_false_match_rate": 0.01}).json()
    assert by_rate["min_similarity"] == pytest.approx(0.4999)
    refused = served.client.post("/api/people/group", json={"max_false_match_rate": 0.2})
    assert refused.status_code == 400
    assert "not in the calibration" in error_of(refused)


def test_forgetting_erases_every_row(served: Served) -> None:
    person = listed(served.client)[0]
    answer = served.client.delete(f"/api/people/{person['person_id']}")
    assert answer.json() == {"erased": person["detections"]}
    assert served.client.get(f"/api/people/{person['person_id']}").status_code == 404
    assert served.client.delete(f"/api/people/{person['person_id']}").status_code == 404
    assert served.client.get("/api/gallery").json()["people"] == 30 - person["detections"]
    with served.gallery() as gallery:
        assert gallery.check() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/api/people/merge", {"person_ids": [1]}, 422, "person_ids: List should have at least 2 items"),
        ("POST", "/api/people/merge", {"person_ids": [1, 9999]}, 404, "there is no person 9999 here"),
        ("POST", "/api/people/merge", {"person_ids": [1, 1]}, 400, "merging needs at least two people"),
        ("POST", "/api/people/1/split", {}, 400, "would take nothing"),
        ("POST", "/api/people/1/split", {"tracks": [7]}, 400, "track 7 is not of person 1"),
        ("POST", "/api/people/1/split", {"detections": [9999]}, 400, "detection 9999 is not of person 1"),
        ("PUT", "/api/people/1/name", {}, 422, "name is missing"),
        ("PUT", "/api/people/1/name", {"name": "   "}, 400, "cannot be a name"),
        ("PUT", "/api/people/1/name", {"name": "x" * 201}, 422, "at most 200 characters"),
        ("PUT", "/api/people/9999/name", {"name": "x"}, 404, "there is no person 9999 here"),
        ("POST", "/api/people/group", {"min_similarity": 2}, 422, "less than or equal to 1"),
        ("POST", "/api/people/group", {"gates": {}}, 422, "gates: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_decided_is_refused(
    served: Served, method: str, path: str, body: dict, status: int, words: str
) -> None:
    answer = served.client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    sentence = error_of(answer)
    assert words in sentence
    assert str(served.folder) not in sentence
