"""What the service is as a whole: headers, documentation, metrics, the page's files."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from personsearch.serve.routes.page import TYPES, folder_of, static_files
from personsearch.version import __version__
from tests.serve.support import Served, error_of, scene_png


@pytest.mark.parametrize(
    "path",
    ["/", "/page/index.html", "/docs", "/docs/docs.js", "/openapi.json", "/health", "/metrics", "/api/gallery"]
    + ["/nothing", "/api/detections/1/crop.jpg", "/api/detections/999", "/favicon.ico"],
)
def test_every_answer_has_the_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    for part in ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "cache-control" in headers
    assert "server" not in headers


def test_what_tells_of_people_is_in_no_cache(client: httpx.Client) -> None:
    assert client.get("/api/gallery").headers["cache-control"] == "no-store"
    assert client.post("/api/search", json={"detection": 1}).headers["cache-control"] == "no-store"


def test_what_the_gallery_is(client: httpx.Client, home: Path) -> None:
    answer = client.get("/api/gallery").json()
    assert {
        name: answer[name] for name in ("name", "images", "people", "tracks", "ungrouped", "writable", "version")
    } == {
        **{"name": "gallery", "images": 6, "people": 30, "tracks": 0, "ungrouped": 0, "writable": False},
        "version": __version__,
    }
    assert answer["cameras"] == [
        *({"camera": "door", "images": 2}, {"camera": "gate", "images": 2}),
        {"camera": "yard", "images": 1},
    ]
    assert (answer["first"], answer["last"], answer["last_text"], answer["is_date"]) == (0.0, 300.0, "0:05:00", False)
    assert answer["calibration"]["thresholds"] == [
        {"rate": 0.01, "one_in": 100, "similarity": 0.4999, "true_match_rate": 0.8}
    ]
    assert answer["example"] == {"url": "/api/example.jpg"}
    assert client.get("/api/example.jpg").content == b"a picture"
    assert not answer["weights"].startswith("/")


def test_without_an_example(served: Served) -> None:
    assert served.client.get("/api/gallery").json()["example"] is None
    answer = served.client.get("/api/example.jpg")
    assert answer.status_code == 404
    assert "--demo" in error_of(answer)


def test_the_time_line(client: httpx.Client) -> None:
    line = client.get("/api/timeline", params={"bins": 3}).json()
    assert [(one["start"], one["end"], one["scenes"], one["people"]) for one in line["bins"]] == [
        *((0, 100, 3, 15), (100, 200, 1, 5)),
        (200, 300, 2, 10),
    ]
    assert line["cameras"] == ["door", "gate", "yard"]
    assert (line["first_text"], line["is_date"]) == ("0:00:00", False)
    one = client.get("/api/timeline", params={"bins": 2, "camera": "yard"}).json()
    assert (one["first"], one["last"]) == (200, 200)
    none = client.get("/api/timeline", params={"camera": "nowhere"}).json()
    assert (none["bins"], none["first"], none["is_date"]) == ([], None, False)
    assert client.get("/api/timeline", params={"bins": 0}).status_code == 422


def test_the_page_and_its_files(client: httpx.Client) -> None:
    page = folder_of("page")
    assert client.get("/").content == (page / "index.html").read_bytes()
    for name, path in static_files("page").items():
        answer = client.get(f"/page/{name}")
        assert answer.content == path.read_bytes()
        assert answer.headers["content-type"] == TYPES[path.suffix]
    first = client.get("/")
    assert client.get("/", headers={"If-None-Match": first.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "name",
    ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "//etc/passwd", "..\\app.py", "index.html%00", ".", ""]
    + ["../../../../../../etc/passwd", "./index.html", "index.html/", "....//app.py", "file:///etc/passwd"],
)
def test_no_file_beside_the_page_is_served(client: httpx.Client, name: str) -> None:
    for folder in ("page", "docs"):
        target = f"/{folder}/{name}".encode()
        answer = client.send(client.build_request("GET", "/", extensions={"target": target}))
        assert answer.status_code in (400, 404, 307)
        assert "root:" not in answer.text
        assert "import" not in answer.text


def test_heads_are_answered_as_gets(client: httpx.Client) -> None:
    head, get = client.head("/health"), client.get("/health")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_what_is_not_there(client: httpx.Client) -> None:
    assert error_of(client.get("/api/nothing")) == "there is no such address here"
    wrong = client.put("/api/gallery")
    assert wrong.status_code == 405
    assert error_of(wrong) == "this address does not go with this method"
    assert client.get("/", headers={"Connection": "upgrade", "Upgrade": "websocket"}).status_code in (200, 403, 426)


def operations(client: httpx.Client) -> dict[str, dict]:
    paths = client.get("/openapi.json").json()["paths"]
    return {f"{method.upper()} {path}": one for path, methods in paths.items() for method, one in methods.items()}


def test_every_route_says_what_it_does_takes_and_answers(client: httpx.Client) -> None:
    found = operations(client)
    assert {"POST /api/detect", "POST /api/search", "DELETE /api/people/{number}", "GET /metrics"} <= found.keys()
    for name, one in found.items():
        assert len(one["summary"]) > 5, name
        assert len(one["description"]) > 20, name
        assert one["tags"], name
        [success] = [answer for status, answer in one["responses"].items() if status in ("200", "201")][:1]
        assert success["content"], name
        for answer in one["responses"].values():
            for content in answer.get("content", {}).values():
                assert content.get("schema") != {}, name
        if name.startswith(("POST", "PUT")) and name not in ("POST /api/people/undo",):
            assert "requestBody" in one, name
        if name != "GET /health":
            assert {"401", "403"} <= one["responses"].keys() or "session" in name, name
        for parameter in one.get("parameters", []):
            assert parameter["in"] == "path" or parameter["name"] in ("offset", "limit") or parameter["description"], (
                name
            )


def test_records_say_units_and_frames(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert "pixels of the original upright picture" in schemas["MatchRecord"]["properties"]["box"]["description"]
    assert "Seconds" in schemas["SightingRecord"]["properties"]["time"]["description"]
    assert "little-endian float32" in schemas["FoundPerson"]["properties"]["embedding"]["description"]
    assert "-1 to 1" in schemas["MatchRecord"]["properties"]["similarity"]["description"]
    for name, schema in schemas.items():
        assert schema.get("description"), name
    for word in ("box", "seconds", "base64"):
        assert word in document["info"]["description"].lower()


def test_the_documentation_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    for name, path in static_files("assets").items():
        text = path.read_text()
        assert not re.search(r"https?://", text), name
        assert "innerHTML" not in text
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", text), name
    assert client.get("/docs").headers["content-type"] == "text/html; charset=utf-8"


def test_metrics_are_prometheus_text_with_few_labels(served: Served) -> None:
    client = served.client
    for path in ("/api/gallery", "/api/detections/1", "/api/detections/2", "/api/detections/999", "/x1", "/x2", "/x3"):
        client.get(path)
    client.post("/api/detect", files={"picture": scene_png()})
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    requests = {
        (one.labels["method"], one.labels["route"], one.labels["status"]): one.value
        for one in families["personsearch_requests"].samples
        if one.name.endswith("_total")
    }
    assert requests["GET", "/api/detections/{number}", "200"] == 2
    assert requests["GET", "/api/detections/{number}", "404"] == 1
    assert requests["GET", "none", "404"] == 3
    assert requests["POST", "/api/detect", "200"] == 1
    assert not any("/x" in route for _, route, _ in requests)
    gallery = {one.labels["what"]: one.value for one in families["personsearch_gallery"].samples}
    assert (gallery["scenes"], gallery["people"]) == (6, 30)
    assert families["personsearch_people_found"].samples[0].value == 5
    assert families["personsearch_pictures"].samples[0].value == 1
    counts = [one for one in families["personsearch_request_seconds"].samples if one.name.endswith("_count")]
    assert sum(one.value for one in counts) == 8
    strange = client.request("BREW", "/api/gallery")
    assert strange.status_code == 405
    assert 'method="other"' in client.get("/metrics").text
