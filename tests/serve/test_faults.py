"""Which status an error is, and that no path of the machine is in any answer."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest
from fastapi import FastAPI

from personsearch import PersonSearcher
from personsearch.errors import (
    ConfigError,
    GalleryCorruptError,
    GalleryError,
    GalleryFullError,
    GalleryLockedError,
    GalleryMismatchError,
    ImageError,
    PersonSearchError,
    WeightsError,
)
from personsearch.gallery.faults import gallery_error
from personsearch.gallery.lock import _unwritable
from personsearch.serve import create_app
from personsearch.serve.faults import refused, without_path
from tests.serve.support import Served, error_of, running, scene_png

FOLDER = Path("/srv/secret/people")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 400),
        (ImageError("x"), 400),
        (GalleryError(f"{FOLDER}: k must be at least 1"), 400),
        (GalleryMismatchError(f"{FOLDER}: image 'a' is stored with other content"), 409),
        (GalleryLockedError(f"{FOLDER}: process 7 has the gallery open for writing"), 409),
        (GalleryFullError(f"{FOLDER}/gallery.sqlite: the disk is full"), 507),
        (GalleryCorruptError(f"{FOLDER}/gallery.sqlite: damaged (row 7 of {FOLDER})"), 500),
        (WeightsError("/opt/weights: gone"), 500),
        (PersonSearchError("/opt/x"), 500),
    ],
)
def test_every_error_has_a_status_and_no_path(error: PersonSearchError, status: int) -> None:
    answer = refused(error, FOLDER)
    assert answer.status == status
    assert "secret" not in answer.sentence
    assert "/opt" not in answer.sentence


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (sqlite3.SQLITE_BUSY, 409),
        (sqlite3.SQLITE_FULL, 507),
        (sqlite3.SQLITE_IOERR, 503),
        (sqlite3.SQLITE_CANTOPEN, 503),
        (sqlite3.SQLITE_READONLY, 503),
        (sqlite3.SQLITE_CORRUPT, 500),
        (sqlite3.SQLITE_NOTADB, 500),
    ],
)
def test_faults_of_the_disk(code: int, status: int) -> None:
    cause = sqlite3.OperationalError(f"of {FOLDER}")
    cause.sqlite_errorcode = code
    error = gallery_error(FOLDER / "gallery.sqlite", cause)
    error.__cause__ = cause
    answer = refused(error, FOLDER)
    assert answer.status == status
    assert "secret" not in answer.sentence


@pytest.mark.parametrize(("number", "status"), [(28, 507), (122, 507), (13, 409), (30, 409)])
def test_a_folder_that_cannot_be_written_to(number: int, status: int) -> None:
    def open_it() -> None:
        try:
            raise OSError(number, "no", str(FOLDER))
        except OSError as error:
            raise GalleryError(_unwritable(FOLDER, error)) from None

    with pytest.raises(GalleryError) as raised:
        open_it()
    answer = refused(raised.value, FOLDER)
    assert answer.status == status
    assert "secret" not in answer.sentence


def test_galleries_are_named_by_the_name_of_their_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    sentence = f"{tmp_path}/link: x; {tmp_path}/real/gallery.sqlite: y; personsearch gallery rescue {tmp_path}/link NEW"
    assert without_path(sentence, tmp_path / "link") == "link: x; link: y; personsearch gallery rescue link NEW"
    assert without_path("/a/b is 1/2", Path("/")) == "/a/b is 1/2"


def test_what_nobody_foresaw_is_a_sentence_and_in_the_log(
    tiny: PersonSearcher, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app: FastAPI = create_app(home / "gallery", tiny)

    def broken() -> None:
        raise RuntimeError("/srv/secret is broken")

    app.add_api_route("/api/broken", broken)
    with running(app) as client, caplog.at_level(logging.ERROR, logger="personsearch.serve"):
        answer = client.get("/api/broken")
        assert answer.status_code == 500
        assert error_of(answer) == "an unexpected fault of the service; its log says more"
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "/srv/secret is broken" in caplog.text


def test_no_answer_has_a_path_of_the_machine(served: Served) -> None:
    client, png = served.client, scene_png()
    whoever = client.get("/api/detections/1").json()
    (served.folder.parent / "kept").mkdir(exist_ok=True)
    answers = [
        client.get("/api/gallery"),
        client.get("/api/scenes"),
        client.get("/api/people"),
        client.get(f"/api/people/{whoever['person_id']}"),
        client.get("/api/timeline"),
        client.get("/metrics"),
        client.get("/openapi.json"),
        client.get("/health"),
        client.post("/api/search", json={"detection": 1}),
        client.post("/api/search", json={"detection": 777}),
        client.post("/api/search", json={"like": [777]}),
        client.post("/api/search", json={"detection": 1, "max_false_match_rate": 0.77}),
        client.post("/api/search", json={"detection": 1, "unlike": [777]}),
        client.post("/api/scenes", files={"picture": png}, data={"image_id": "a"}),
        client.post("/api/scenes", files={"picture": scene_png(1)}, data={"image_id": "a"}),
        client.post("/api/scenes", files={"picture": png}, data={"image_id": "0.png"}),
        client.post("/api/people/777/split", json={"detections": [1]}),
        client.post("/api/people/merge", json={"person_ids": [1, 777]}),
        client.post("/api/detect", files={"picture": ("../../x", b"rubbish")}),
        client.get("/page/../../pyproject.toml"),
        client.get("/nothing"),
        client.request("PATCH", "/api/gallery"),
    ]
    for secret in (str(served.folder.parent), str(served.files.parent), "/home/", "/root/", "site-packages", ".py"):
        for answer in answers:
            assert secret not in answer.text, answer.url
            assert all(secret not in value for value in answer.headers.values())
