"""Tokens, sessions, other hosts, other sites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch import PersonSearcher
from personsearch.errors import ConfigError
from personsearch.serve import Access, create_app
from personsearch.serve.access import MOST_SESSIONS, Sessions, cookie_name, is_loopback, new_token, require_token
from personsearch.serve.faults import Refused
from tests.serve.support import error_of, running, scene_png

TOKEN = "0123456789abcdef-right"  # noqa: S105


@pytest.fixture(scope="module")
def guarded(tiny: PersonSearcher, home: Path) -> Iterator[httpx.Client]:
    access = Access(token=TOKEN, names=["People.example"], any_address=True)
    with running(create_app(home / "gallery", tiny, access=access)) as client:
        yield client


def with_token(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


PRIVATE = ["/api/gallery", "/api/scenes", "/api/people", "/api/detections/1/crop.jpg", "/metrics", "/docs"]


@pytest.mark.parametrize("path", [*PRIVATE, "/openapi.json", "/api/example.jpg", "/api/nothing", "/docs/docs.js"])
def test_all_that_tells_of_people_needs_the_token(guarded: httpx.Client, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "token" in error_of(answer)
    for wrong in ("wrong", TOKEN[:-1], f"{TOKEN}x", "é", "x" * 10_000):
        headers = {"Authorization": f"Bearer {wrong}".encode("latin-1")}
        assert guarded.get(path, headers=headers).status_code == 401
    assert guarded.get(path, headers={"Authorization": f"Basic {TOKEN}"}).status_code == 401
    assert guarded.get(f"{path}?token={TOKEN}").status_code == 401
    assert guarded.get(path, headers=with_token()).status_code in (200, 404)


@pytest.mark.parametrize("path", ["/", "/page/index.html", "/health", "/page/style.css"])
def test_the_page_and_health_need_none(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/page/../api/gallery", "//api/gallery", "/page/..%2fapi/gallery", "/API/gallery"])
def test_no_spelling_of_an_address_goes_around_the_token(guarded: httpx.Client, path: str) -> None:
    answer = guarded.send(guarded.build_request("GET", "/", extensions={"target": path.encode()}))
    assert answer.status_code in (401, 404)
    assert "images" not in answer.text


def test_a_session_takes_the_place_of_the_token(guarded: httpx.Client) -> None:
    with httpx.Client(base_url=guarded.base_url) as browser:
        assert browser.post("/api/session", json={"token": "wrong"}).status_code == 401
        assert not browser.cookies
        begun = browser.post("/api/session", json={"token": TOKEN})
        assert begun.json() == {"ok": True, "token_needed": True}
        cookie = begun.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert browser.get("/api/gallery").status_code == 200
        stolen = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        assert browser.delete("/api/session").status_code == 200
        assert browser.get("/api/gallery").status_code == 401
        assert browser.get("/api/gallery", headers={"Cookie": stolen}).status_code == 401


def test_sessions_are_bounded_and_end() -> None:
    sessions = Sessions()
    first = sessions.begin()
    assert sessions.holds(first)
    for _ in range(MOST_SESSIONS):
        last = sessions.begin()
    assert not sessions.holds(first)
    assert sessions.holds(last)
    sessions.end(last)
    assert not sessions.holds(last)
    sessions.end("never begun")


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "people.example.evil", "", "[", "::1x"]
)
def test_a_name_that_is_not_ours_is_refused(guarded: httpx.Client, host: str) -> None:
    for path in ("/", "/api/gallery", "/health"):
        answer = guarded.get(path, headers={"Host": host, **with_token()})
        assert answer.status_code in (400, 403)
    if host == "evil.example":
        assert "--allow-host" in error_of(answer)


@pytest.mark.parametrize(
    "host", ["localhost:80", "LOCALHOST", "127.0.0.1", "[::1]:80", "people.example", "192.0.2.7:9"]
)
def test_our_names_and_addresses_pass(guarded: httpx.Client, host: str) -> None:
    assert guarded.get("/api/gallery", headers={"Host": host, **with_token()}).status_code == 200


def test_on_loopback_only_names_of_loopback_are_ours(client: httpx.Client) -> None:
    assert client.get("/api/gallery", headers={"Host": "192.0.2.7"}).status_code == 403
    assert client.get("/api/gallery", headers={"Host": "127.3.2.1"}).status_code == 200


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "file://"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_page_of_another_site_changes_anything(client: httpx.Client, headers: dict[str, str]) -> None:
    asked = [
        client.post("/api/detect", files={"picture": scene_png()}, headers=headers),
        client.post("/api/people/undo", headers=headers),
        client.delete("/api/people/1", headers=headers),
        client.put("/api/people/1/name", json={"name": "x"}, headers=headers),
        client.post("/api/session", json={"token": "x"}, headers=headers),
        client.delete("/api/scenes", params={"image_id": "0.png"}, headers=headers),
    ]
    for answer in asked:
        assert answer.status_code == 403
        assert "another site" in error_of(answer)


def test_another_site_cannot_show_our_pictures_but_may_link_to_the_page(client: httpx.Client) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert client.get("/api/detections/1/crop.jpg", headers=foreign).status_code == 403
    assert client.get("/", headers=foreign).status_code == 200


def test_our_own_page_passes(client: httpx.Client) -> None:
    own = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/search", json={"detection": 1}, headers=own).status_code == 200


def test_the_origin_behind_a_proxy_with_https_is_that_of_the_host() -> None:
    access = Access(names=["people.example"])
    for origin in ("https://people.example", "https://people.example:443", "http://people.example"):
        access.check("POST", "/api/search", {"host": "people.example", "origin": origin})
    for origin in ("https://people.example:8443", "ftp://people.example", "https://other.example"):
        with pytest.raises(Refused, match="another site"):
            access.check("POST", "/api/search", {"host": "people.example", "origin": origin})


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_what_comes_through_a_proxy_needs_a_token(client: httpx.Client, guarded: httpx.Client, name: str) -> None:
    answer = client.get("/api/gallery", headers={name: "192.0.2.9"})
    assert answer.status_code == 403
    assert "start it with --token-file" in error_of(answer)
    assert guarded.get("/api/gallery", headers={name: "192.0.2.9", **with_token()}).status_code == 200


def test_headers_that_are_given_twice_are_refused(client: httpx.Client) -> None:
    answer = client.get("/api/gallery", headers=[("Origin", "http://a.example"), ("Origin", "http://b.example")])
    assert answer.status_code == 400
    assert "given twice" in error_of(answer)


@pytest.mark.parametrize("token", ["", "short", "a" * 15, "with space in it 123", "ümläute-0123456789"])
def test_tokens_that_can_be_guessed_or_not_be_sent_are_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="the file: a token is one word of at least 16"):
        require_token(token, "the file")


def test_tokens_are_long_and_differ() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert require_token(f" {min(made)}\n", "x") == min(made)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("[::1]", True), ("localhost", True)]
    + [("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("people.example", False), ("", False)],  # noqa: S104
)
def test_what_is_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_services_on_two_ports_have_cookies_of_their_own() -> None:
    assert cookie_name("localhost:8000") != cookie_name("localhost:8001")
    assert cookie_name("people.example") == "personsearch_session"
    assert cookie_name("h:1;x") == "personsearch_session"


@given(st.text(max_size=40))
def test_no_host_header_is_ours_by_accident(host: str) -> None:
    name = host.partition(":")[0].lower().rstrip(".")
    ours = name == "localhost" or name.startswith("127.") or host.startswith("[")
    if not ours:
        with pytest.raises(Refused, match="does not go by the host name"):
            Access().check("GET", "/api/gallery", {"host": host})


@given(st.text(max_size=40), st.sampled_from(["http", "https"]))
def test_no_origin_is_ours_by_accident(origin: str, scheme: str) -> None:
    access = Access(names=["people.example"])
    for foreign in (origin, f"{scheme}://{origin}", f"{scheme}://people.example.{origin}"):
        if foreign.lower() in ("http://people.example", "https://people.example"):
            continue
        with pytest.raises(Refused, match="another site"):
            access.check("POST", "/api/search", {"host": "people.example", "origin": foreign})
