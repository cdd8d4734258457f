"""tools/fetch_places.py against a web server on the loopback address."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.picture_server import Page, PictureServer

ROOT = Path(__file__).parents[1]
Fetch = Callable[..., int]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("fetch_places")


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        yield running


@pytest.fixture
def fetch(tool: ModuleType, tmp_path: Path) -> Fetch:
    """Write a list and fetch it into ``tmp_path / "out"``; returns the exit code."""

    def call(*pictures: dict[str, Any], options: tuple[str, ...] = ()) -> int:
        path = tmp_path / "list.json"
        path.write_text(json.dumps({"pictures": pictures}))
        fixed = ("--list", str(path), "--wait", "0.001", "--attempts", "3")
        return int(tool.main([str(tmp_path / "out"), *fixed, *options]))

    return call


def noise(width: int, height: int, kind: str = "JPEG", seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def entry(*addresses: str, **changes: Any) -> dict[str, Any]:
    usual = {
        "file": "places/a.jpg",
        "type": "place",
        "scene": "kitchen",
        "place": "indoor",
        "time": "day",
        "width": 64,
        "height": 48,
        "licence": "CC0-1.0",
        "source": "a test",
        "page": "https://example.org/a",
        "addresses": list(addresses),
    }
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


def manifest(tmp_path: Path) -> list[dict[str, Any]]:
    return list(json.loads((tmp_path / "out/manifest.json").read_text()))


def visible(folder: Path) -> set[str]:
    """The files of a collection, without what runs keep for themselves."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if path.parts[0] != ".fetching"}


def test_fetches_scales_and_describes(
    fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, large = noise(64, 48), noise(128, 64, "PNG")
    server.pages = {"/right.jpg": Page(right), "/large.png": Page(large)}
    pictures = (
        entry(f"{server.url}/right.jpg", camera_height=1.2),
        entry(f"{server.url}/large.png", file="panoramas/b.jpg", type="panorama", width=64, height=32),
    )
    assert fetch(*pictures) == 0
    out = tmp_path / "out"
    # The first has the list's size and format: its bytes stay. The second is scaled down.
    assert (out / "places/a.jpg").read_bytes() == right
    with Image.open(out / "panoramas/b.jpg") as panorama:
        assert (panorama.size, panorama.format) == ((64, 32), "JPEG")
    assert visible(out) == {"places/a.jpg", "panoramas/b.jpg", "manifest.json", "ATTRIBUTION.md", "REPORT.txt"}
    first = manifest(tmp_path)[0]
    assert first == {
        "people": "none",
        "file": "places/a.jpg",
        "type": "place",
        "scene": "kitchen",
        "place": "indoor",
        "time": "day",
        "camera_height": 1.2,
        "width": 64,
        "height": 48,
        "licence": "CC0-1.0",
        "source": "a test",
        "url": "https://example.org/a",
        "address": f"{server.url}/right.jpg",
        "original_sha256": hashlib.sha256(right).hexdigest(),
    }
    assert "2 fetched, 0 there already" in capsys.readouterr().out
    # Again: nothing is asked for, and the manifest stays.
    before, asked = manifest(tmp_path), len(server.requests)
    assert fetch(*pictures) == 0
    assert (len(server.requests), manifest(tmp_path)) == (asked, before)
    assert "0 fetched, 2 there already" in capsys.readouterr().out


def test_a_broken_download_is_continued(fetch: Fetch, server: PictureServer, tmp_path: Path) -> None:
    data = noise(64, 48)
    server.pages = {"/a.jpg": Page(data, breaks=[1000, 500])}
    assert fetch(entry(f"{server.url}/a.jpg")) == 0
    assert [wanted for _, wanted in server.requests] == [None, "bytes=1000-", "bytes=1500-"]
    assert (tmp_path / "out/places/a.jpg").read_bytes() == data
    assert list((tmp_path / "out/.fetching").glob("[!l]*")) == []


def test_the_next_run_continues_the_download(
    fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = noise(64, 48)
    server.pages = {"/a.jpg": Page(data, breaks=[700])}
    assert fetch(entry(f"{server.url}/a.jpg"), options=("--attempts", "1")) == 1
    assert (
        f"the connection broke off after 700 of {len(data)} bytes, attempt 1 of 1; run again later"
        in capsys.readouterr().out
    )
    assert visible(tmp_path / "out") == {"manifest.json", "ATTRIBUTION.md", "REPORT.txt"}  # half a picture never counts
    assert manifest(tmp_path) == []
    assert fetch(entry(f"{server.url}/a.jpg")) == 0
    assert server.requests[-1] == ("/a.jpg", "bytes=700-")
    assert (tmp_path / "out/places/a.jpg").read_bytes() == data


@pytest.mark.parametrize(
    "change",
    [{"ranges": False}, {"etag": None}, {"etag": 'W/"1"'}],
    ids=["no ranges", "no version", "a weak version"],
)
def test_what_cannot_be_continued_begins_again(
    fetch: Fetch, server: PictureServer, tmp_path: Path, change: dict[str, Any]
) -> None:
    data = noise(64, 48)
    server.pages = {"/a.jpg": Page(data, breaks=[1000], **change)}
    assert fetch(entry(f"{server.url}/a.jpg")) == 0
    # Without a version that stands for the very bytes, the rest might be of another file: it is not asked for.
    assert [wanted for _, wanted in server.requests] == [None, None if "etag" in change else "bytes=1000-"]
    assert (tmp_path / "out/places/a.jpg").read_bytes() == data


def test_a_file_that_changed_meanwhile_begins_again(fetch: Fetch, server: PictureServer, tmp_path: Path) -> None:
    server.pages = {"/a.jpg": Page(noise(64, 48), breaks=[1000])}
    assert fetch(entry(f"{server.url}/a.jpg"), options=("--attempts", "1")) == 1
    new = noise(64, 48, seed=1)
    server.pages = {"/a.jpg": Page(new, etag='"2"')}
    assert fetch(entry(f"{server.url}/a.jpg")) == 0
    assert server.requests[-1] == ("/a.jpg", "bytes=1000-")
    assert (tmp_path / "out/places/a.jpg").read_bytes() == new


@pytest.mark.parametrize(
    ("page", "title", "reason"),
    [
        (Page(refusals=[404]), "Gone", "the server answers 404 Not Found"),
        (Page(refusals=[410]), "Gone", "the server answers 410 Gone"),
        (Page(refusals=[403]), "Refused", "the server answers 403 Forbidden"),
        (
            Page(refusals=[500]),
            "Refused",
            "the server answers 500 Internal Server Error, attempt 3 of 3; run again later",
        ),
        (Page(b"<!DOCTYPE html><p>Moved"), "Refused", "is a web page instead of a picture"),
        (Page(b""), "Refused", "is empty instead of a picture"),
        (Page(b"plain text"), "Refused", "is not a picture, or a damaged one"),
        (Page(noise(64, 48)[:2000]), "Refused", "is damaged (image file is truncated"),
        (
            Page(noise(64, 64)),
            "Refused",
            "has 64x64 pixels, another shape than the list's 64x48; it is another picture",
        ),
        (Page(noise(32, 24)), "Refused", "has only 32x24 pixels, fewer than the list's 64x48"),
    ],
    ids=lambda value: value.replace("'", "")[:40] if isinstance(value, str) else "",
)
def test_what_is_not_there_is_named(
    fetch: Fetch,
    server: PictureServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    page: Page,
    title: str,
    reason: str,
) -> None:
    server.pages = {"/a.jpg": page, "/b.jpg": Page(noise(64, 48))}
    assert fetch(entry(f"{server.url}/a.jpg"), entry(f"{server.url}/b.jpg", file="places/b.jpg")) == 1
    printed = capsys.readouterr()
    assert f"{title}:\n  places/a.jpg\n    {server.url}/a.jpg: {reason}" in printed.out
    assert "Traceback" not in printed.out + printed.err
    assert [row["file"] for row in manifest(tmp_path)] == ["places/b.jpg"]
    assert not (tmp_path / "out/places/a.jpg").exists()


def test_too_many_pixels_and_a_turned_picture(
    fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = bytearray(noise(64, 48, "PNG"))
    header[16:24] = (40_000).to_bytes(4, "big") + (30_000).to_bytes(4, "big")
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    Image.new("RGB", (48, 64), (200, 10, 10)).save(turned, "JPEG", exif=exif)
    server.pages = {"/a.png": Page(bytes(header)), "/b.jpg": Page(turned.getvalue())}
    assert fetch(entry(f"{server.url}/a.png"), entry(f"{server.url}/b.jpg", file="places/b.jpg")) == 1
    assert "has more than the 89 million pixels allowed" in capsys.readouterr().out
    with Image.open(tmp_path / "out/places/b.jpg") as picture:
        assert (picture.size, picture.getexif().get(0x0112, 1)) == ((64, 48), 1)


@pytest.mark.parametrize("sized", [True, False])
def test_a_file_that_is_too_large_is_refused(
    fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], sized: bool
) -> None:
    server.pages = {"/a.jpg": Page(noise(64, 48) + bytes(300_000), sized=sized)}
    assert fetch(entry(f"{server.url}/a.jpg"), options=("--max-mib", "0.125")) == 1
    assert "a.jpg: is larger than the 0.125 MiB allowed; see --max-mib" in capsys.readouterr().out
    assert len(server.requests) == 1
    assert sum(path.stat().st_size for path in (tmp_path / "out/.fetching").iterdir()) < 1000


def test_busy_servers_are_asked_again(fetch: Fetch, server: PictureServer) -> None:
    server.pages = {"/a.jpg": Page(noise(64, 48), refusals=[429, 503], headers={"Retry-After": "0"})}
    assert fetch(entry(f"{server.url}/a.jpg")) == 0
    assert len(server.requests) == 3


def test_the_wrong_sha256_is_refused(
    fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = noise(64, 48)
    digest = hashlib.sha256(data).hexdigest()
    server.pages = {"/a.jpg": Page(data)}
    assert fetch(entry(f"{server.url}/a.jpg", sha256="0" * 64)) == 1
    printed = capsys.readouterr().out
    assert f"is not the file that the list means: its sha256 is {digest}, not {'0' * 64}" in printed
    assert fetch(entry(f"{server.url}/a.jpg", sha256=digest)) == 0


def test_the_next_address_is_tried(fetch: Fetch, server: PictureServer, tmp_path: Path) -> None:
    server.pages = {"/wrong.jpg": Page(noise(64, 64)), "/right.jpg": Page(noise(64, 48))}
    addresses = [f"{server.url}/{name}" for name in ("absent.jpg", "wrong.jpg", "right.jpg")]
    assert fetch(entry(*addresses)) == 0
    assert manifest(tmp_path)[0]["address"] == addresses[2]


def test_a_host_that_cannot_be_reached_is_given_up(fetch: Fetch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{closed.getsockname()[1]}"
        pictures = [entry(f"http://{host}/{n}.jpg", file=f"places/{n}.jpg") for n in range(5)]
        assert fetch(*pictures, options=("--jobs", "1")) == 1
    printed = capsys.readouterr().out
    assert printed.count(f"{host} cannot be reached (Connection refused), attempt 3 of 3; run again later") == 3
    assert printed.count(f"{host} cannot be reached; run again later") == 2


def test_a_long_report_goes_to_a_file(
    fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [entry(f"{server.url}/{n:02d}.jpg", file=f"places/{n:02d}.jpg") for n in range(23)]
    assert fetch(*pictures) == 1
    printed, path = capsys.readouterr().out, tmp_path / "out/REPORT.txt"
    assert f"  and 3 more, see {path}" in printed
    assert "22.jpg" not in printed
    assert f"places/22.jpg\n    {server.url}/22.jpg: the server answers 404 Not Found" in path.read_text()


def test_an_archive_of_a_material(
    fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colour, archive = noise(96, 96), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("Wood_1K-JPG_Color.jpg", colour)
        packed.writestr("Wood_1K-JPG_NormalGL.jpg", b"no picture")
    server.pages = {"/get?file=Wood.zip": Page(archive.getvalue()), "/html": Page(b"<html>")}
    material = {"type": "texture", "width": 48, "height": 48}
    wood = entry(f"{server.url}/get?file=Wood.zip#_Color.jpg", file="textures/wood.jpg", **material)
    none = entry(f"{server.url}/get?file=Wood.zip#_Height.jpg", file="textures/none.jpg", **material)
    html = entry(f"{server.url}/html#_Color.jpg", file="textures/html.jpg", **material)
    assert fetch(wood, none, html) == 1
    with Image.open(tmp_path / "out/textures/wood.jpg") as picture:
        assert picture.size == (48, 48)
    printed = capsys.readouterr().out
    assert "is an archive with 0 files that end in _Height.jpg instead of one" in printed
    assert "is a web page instead of a ZIP archive" in printed


def test_light_maps_keep_their_light(
    fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2 = pytest.importorskip("cv2")
    light = np.full((16, 32, 3), 0.5, np.float32)
    light[4, 8] = 400.0  # a lamp far above what a photograph can show
    server.pages = {"/a.hdr": Page(cv2.imencode(".hdr", light)[1].tobytes()), "/b.hdr": Page(b"<html>")}
    lights = {"type": "lighting-hdr", "width": 16, "height": 8, "place": None, "time": None}
    assert (
        fetch(
            entry(f"{server.url}/a.hdr", file="panoramas/lighting/a.hdr", **lights),
            entry(f"{server.url}/b.hdr", file="panoramas/lighting/b.hdr", **lights),
        )
        == 1
    )
    path = tmp_path / "out/panoramas/lighting/a.hdr"
    small = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert small.shape == (8, 16, 3)
    np.testing.assert_allclose(small[2, 4], (400 + 3 * 0.5) / 4, rtol=0.02)  # the mean of four pixels
    np.testing.assert_allclose(small[0, 0], 0.5, rtol=0.02)
    assert "is a web page instead of a picture" in capsys.readouterr().out
    assert fetch(entry(f"{server.url}/a.hdr", file="panoramas/lighting/a.hdr", **lights)) == 0
    assert len(server.requests) == 2


def test_sheets_of_tiles_keep_their_size(
    fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pages = {"/a.webp": Page(noise(64, 48, "WEBP")), "/b.webp": Page(noise(128, 96, "WEBP"))}
    cells = [[0, 0, 16, 16], [16, 0, 16, 16]]
    sheets = {"type": "texture-sheet", "cells": cells}
    assert (
        fetch(
            entry(f"{server.url}/a.webp", file="textures/small/Wood.webp", **sheets),
            entry(f"{server.url}/b.webp", file="textures/small/Tiles.webp", **sheets),
        )
        == 1
    )
    assert "has 128x96 pixels instead of 64x48, so its tiles lie elsewhere" in capsys.readouterr().out
    assert json.loads((tmp_path / "out/textures/small/cells.json").read_text()) == {"Wood": cells}


def test_by_hand(fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = entry(by_hand="a cube map, to be converted")
    assert fetch(picture) == 1
    printed = capsys.readouterr().out
    assert "To fetch by hand:\n  places/a.jpg\n    https://example.org/a: a cube map, to be converted" in printed
    path = tmp_path / "out/places/a.jpg"
    path.parent.mkdir()
    path.write_bytes(noise(128, 96))
    assert fetch(picture) == 0
    with Image.open(path) as image:
        assert image.size == (64, 48)
    path.write_bytes(noise(128, 128))
    assert fetch(picture) == 1
    assert f"{path}: has 128x128 pixels, another shape" in capsys.readouterr().out
    assert path.read_bytes() == noise(128, 128)  # what somebody put there stays


def test_choosing(fetch: Fetch, server: PictureServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.pages = {f"/{n}.jpg": Page(noise(64, 48, seed=n)) for n in range(4)}
    pictures = [entry(f"{server.url}/{n}.jpg", file=f"places/{n}.jpg") for n in range(3)]
    pictures[1]["licence"] = "CC-BY-2.0"
    pictures.append(entry(f"{server.url}/3.jpg", file="textures/3.jpg", type="texture"))
    assert fetch(*pictures, options=("--kinds", "place", "--licence", "CC0-1.0")) == 0
    assert [row["file"] for row in manifest(tmp_path)] == ["places/0.jpg", "places/2.jpg"]
    assert fetch(*pictures, options=("--kinds", "texture,place", "--limit", "2")) == 0
    # The manifest tells of everything that is there, whatever this run was asked for.
    assert {row["file"] for row in manifest(tmp_path)} == {"places/0.jpg", "places/1.jpg", "places/2.jpg"}
    assert fetch(*pictures, options=("--kinds", "places")) == 1
    assert "--kinds places: there is no such kind; kinds are panorama, place," in capsys.readouterr().err
    assert fetch(*pictures, options=("--licence", "MIT")) == 1
    assert "--licence MIT: no picture has it; the list has CC-BY-2.0, CC0-1.0" in capsys.readouterr().err


def test_attribution_and_authors(fetch: Fetch, server: PictureServer, tmp_path: Path) -> None:
    server.pages = {"/a.jpg": Page(noise(64, 48)), "/b.jpg": Page(noise(64, 48))}
    pictures = (
        entry(f"{server.url}/a.jpg", licence="CC-BY-2.0", open_images="00ab"),
        entry(f"{server.url}/b.jpg", file="places/b.jpg"),
    )
    assert fetch(*pictures) == 0
    attribution = tmp_path / "out/ATTRIBUTION.md"
    link = "[CC-BY-2.0](https://creativecommons.org/licenses/by/2.0/)"
    assert f"- `places/a.jpg`: kitchen, by author not known, {link}, https://example.org/a\n" in attribution.read_text()
    assert "places/b.jpg" not in attribution.read_text()
    assert "Pictures in the public domain (CC0), which ask for no attribution: 1." in attribution.read_text()
    table = tmp_path / "train.csv"
    table.write_text(
        "ImageID,Subset,OriginalLandingURL,Author,Title\n"
        "00aa,train,https://flickr.example/1,Somebody,Else\n"
        '00ab,train,https://flickr.example/2,Ann Example,"Kitchen, empty"\n'
    )
    assert fetch(*pictures, options=("--authors", str(table))) == 0
    line = f"- `places/a.jpg`: Kitchen, empty, by Ann Example, {link}, https://flickr.example/2\n"
    assert line in attribution.read_text()
    assert fetch(*pictures) == 0  # a later run without the table forgets nothing
    assert line in attribution.read_text()


def test_a_wrong_table_of_authors(fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "other.csv"
    table.write_text("a,b\n1,2\n")
    assert fetch(entry("http://127.0.0.1/a.jpg"), options=("--authors", str(table))) == 1
    assert capsys.readouterr().err == f"{table}: is not a table of Open Images with ImageID, Author and Title\n"


def test_recording_pins_what_was_fetched(fetch: Fetch, server: PictureServer, tmp_path: Path, tool: ModuleType) -> None:
    data = noise(96, 72)
    server.pages = {"/a.jpg": Page(data)}
    record = tmp_path / "pinned.json"
    picture = entry(f"{server.url}/absent.jpg", f"{server.url}/a.jpg")
    assert fetch(picture, entry(file="places/b.jpg", by_hand="x"), options=("--record", str(record))) == 1
    pinned = json.loads(record.read_text())["pictures"]
    digest = hashlib.sha256(data).hexdigest()
    assert pinned == [{**picture, "addresses": [f"{server.url}/a.jpg"], "sha256": digest}]
    assert tool.main([str(tmp_path / "again"), "--list", str(record)]) == 0
    assert visible(tmp_path / "again") == {"places/a.jpg", "manifest.json", "ATTRIBUTION.md", "REPORT.txt"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licenc": "CC0-1.0"}, "picture 1 (places/a.jpg): unknown key 'licenc'; did you mean 'licence'?"),
        ({"type": "photo"}, "picture 1 (places/a.jpg): type: Input should be 'panorama', 'place', 'texture'"),
        ({"width": 0}, "picture 1 (places/a.jpg): width: Input should be greater than or equal to 1"),
        ({"file": "../a.jpg"}, "picture 1 (../a.jpg): file: must be a path inside the output folder"),
        ({"file": "/a.jpg"}, "picture 1 (/a.jpg): file: must be a path inside the output folder"),
        ({"file": "a.hdr"}, "picture 1 (a.hdr): file: place must end in .jpg, .jpeg, .png, .webp"),
        ({"addresses": ["file:///etc/passwd"]}, "addresses: 'file:///etc/passwd' is not an http(s) address"),
        ({"addresses": []}, "addresses: give at least one, or say in by_hand how the picture is found"),
        ({"sha256": "abc"}, "sha256: String should match pattern"),
    ],
)
def test_wrong_lists(
    fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], message: str
) -> None:
    assert fetch({**entry("http://127.0.0.1/a.jpg"), **change}) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(str(tmp_path / "list.json"))
    assert message in printed.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); correct it"),
        ("[]", 'must be a table like {"pictures": [...]}'),
        ("{}", "pictures: Field required"),
        ('{"picture": []}', "unknown key 'picture'; did you mean 'pictures'?"),
    ],
)
def test_what_is_no_list(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "list.json"
    path.write_text(text)
    assert tool.main([str(tmp_path / "out"), "--list", str(path)]) == 1
    assert f"{path}: {message}" in capsys.readouterr().err
    assert tool.main([str(tmp_path / "out"), "--list", str(tmp_path / "absent.json")]) == 1
    assert "absent.json: cannot be read (No such file or directory)" in capsys.readouterr().err


def test_a_file_named_twice(fetch: Fetch, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(entry("http://127.0.0.1/a.jpg"), entry("http://127.0.0.1/b.jpg")) == 1
    assert "places/a.jpg stands there twice; remove one of the two" in capsys.readouterr().err


def test_a_damaged_manifest_and_a_file_as_folder(
    fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.write_text("")
    assert fetch(entry("http://127.0.0.1/a.jpg")) == 1
    assert capsys.readouterr().err == f"{out / '.fetching'}: Not a directory\n"
    out.unlink()
    out.mkdir()
    (out / "manifest.json").write_text("{")
    assert fetch(entry("http://127.0.0.1/a.jpg")) == 1
    assert f"{out / 'manifest.json'}: is not a list of tables with file" in capsys.readouterr().err


def test_rows_of_own_pictures_stay(fetch: Fetch, server: PictureServer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.jpg").write_bytes(noise(64, 48))
    rows = [{"file": "mine.jpg", "type": "place", "horizon": 0.4}, {"file": "lost.jpg", "type": "place"}]
    (out / "manifest.json").write_text(json.dumps(rows))
    server.pages = {"/a.jpg": Page(noise(64, 48))}
    assert fetch(entry(f"{server.url}/a.jpg")) == 0
    assert manifest(tmp_path)[0] == rows[0]
    assert [row["file"] for row in manifest(tmp_path)] == ["mine.jpg", "places/a.jpg"]


# A shell starts what runs in the background with SIGINT ignored, and children inherit that.
INTERRUPTIBLE = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@contextmanager
def _started(tmp_path: Path, *pictures: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    path = tmp_path / "list.json"
    path.write_text(json.dumps({"pictures": pictures}))
    command = [sys.executable, "-c", INTERRUPTIBLE, str(ROOT / "tools/fetch_places.py"), str(tmp_path / "out")]
    with subprocess.Popen(
        [*command, "--list", str(path), "--timeout", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # a failed test leaves nothing running


def test_stopping_leaves_nothing_half_written(server: PictureServer, tmp_path: Path, fetch: Fetch) -> None:
    server.pages = {"/a.jpg": Page(noise(64, 48)), "/b.jpg": Page(noise(64, 48), hangs=True)}
    pictures = (entry(f"{server.url}/a.jpg"), entry(f"{server.url}/b.jpg", file="places/b.jpg"))
    with _started(tmp_path, *pictures) as process:
        while not (tmp_path / "out/places/a.jpg").exists() or len(server.requests) < 2:
            assert process.poll() is None, process.communicate()
            server.asked.wait(0.02)
            server.asked.clear()
        assert fetch(*pictures) == 1  # two at a time would write over each other
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == f"{tmp_path / 'out'}: stopped; run the same command again to continue"
    assert "Traceback" not in err
    assert [path for path, _ in server.requests].count("/b.jpg") == 1  # a stopped download is not tried again
    assert visible(tmp_path / "out") == {"places/a.jpg", "manifest.json", "ATTRIBUTION.md"}
    assert [row["file"] for row in manifest(tmp_path)] == ["places/a.jpg"]
    server.pages["/b.jpg"].hangs = False
    assert fetch(*pictures) == 0


def test_the_help_names_every_option() -> None:
    command = [sys.executable, str(ROOT / "tools/fetch_places.py"), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for option in ("--list", "--kinds", "--licence", "--limit", "--jobs", "--authors", "--record"):
        assert option in shown


def test_the_shipped_list(tool: ModuleType) -> None:
    from place_list import read_list

    pictures = read_list(ROOT / "tools/places.json")
    assert len(pictures) == 554
    for picture in pictures:
        assert picture.licence in tool.LICENCES, picture.file
        assert picture.page.startswith(("https://", "http://")), picture.file
        assert (picture.type == "texture-sheet") == bool(picture.cells), picture.file
        assert picture.type != "panorama" or picture.width == 2 * picture.height, picture.file
        assert (picture.type in ("panorama", "place")) == (picture.place is not None), picture.file
        for left, top, width, height in picture.cells:
            assert left + width <= picture.width, picture.file
            assert top + height <= picture.height, picture.file
    assert sum(bool(picture.by_hand) for picture in pictures) == 11
