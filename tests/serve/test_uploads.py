"""What is sent is bounded, stays in memory, and is only ever taken for the content of a picture."""

from __future__ import annotations

import io
import os
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from personsearch import PersonSearcher
from personsearch.serve import create_app, guard
from personsearch.serve.parts import MOST_PICTURES
from personsearch.serve.uploads import require_picture
from tests.serve.support import Served, encoded, error_of, running, scene_png
from tests.support import toy_scene, video

FORM = {"Content-Type": "multipart/form-data; boundary=x"}


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"])
def test_usual_pictures_pass(client: httpx.Client, form: str) -> None:
    data = encoded(toy_scene([(0, 10, 10)]), form)
    answer = client.post("/api/detect", files={"picture": data})
    assert answer.status_code == 200
    assert (answer.json()["width"], answer.json()["height"]) == (160, 96)


def test_a_photograph_of_a_phone_passes(client: httpx.Client) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(toy_scene([(0, 10, 10)])).save(file)
    answer = client.post("/api/detect", files={"picture": file.getvalue()})
    assert (answer.json()["width"], answer.json()["height"]) == (160, 96)


def test_a_photograph_is_turned_upright(client: httpx.Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    toy_scene([(0, 10, 10)]).save(file, "JPEG", exif=exif)
    answer = client.post("/api/embed", files={"picture": file.getvalue()}, data={"box": "10,10,80,150"}).json()
    assert (answer["width"], answer["height"]) == (96, 160)


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 415, "is empty"),
        (b"file:///etc/passwd", 415, "cannot be read as a picture"),
        (b"http://127.0.0.1/a.jpg", 415, "cannot be read as a picture"),
        (b"\xff\xd8\xff\xe0rubbish", 415, "cannot be read as a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "cannot be read as a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", 415, "cannot be read as a picture"),
        (png_of_size(20_000, 20_000), 413, "more than 89 million pixels"),
        (png_of_size(10_000, 10_000), 413, "more than 89 million pixels"),
        (scene_png()[:-200], 400, "picture: cannot be"),
    ],
)
def test_what_is_no_picture_is_refused(client: httpx.Client, data: bytes, status: int, words: str) -> None:
    for route in ("/api/detect", "/api/search/picture"):
        answer = client.post(route, files={"picture": data})
        assert answer.status_code == status, answer.text
        assert words in error_of(answer)
        assert "bytes>" not in answer.text


def test_a_video_is_no_picture(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.post("/api/detect", files={"picture": video(tmp_path / "v.mp4").read_bytes()})
    assert answer.status_code == 415
    assert error_of(answer).startswith("picture: is no picture but a video")


def test_formats_that_pillow_reads_with_other_programs_are_not_tried() -> None:
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "EPS")
    with pytest.raises(Exception, match="cannot be read as a picture"):
        require_picture(file.getvalue())


@pytest.mark.parametrize("text", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/a.jpg", "C:\\a.jpg", "~/a"])
def test_a_picture_that_is_a_text_is_never_opened(client: httpx.Client, text: str) -> None:
    answer = client.post("/api/detect", files={"other": (None, "x"), "picture": (None, text)})
    assert answer.status_code == 400
    assert "send it as a file" in error_of(answer)


def test_no_address_that_a_request_names_is_called(served: Served) -> None:
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(0.2)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/a.jpg"
        for name in (address, "/etc/passwd", "../../etc/passwd", "a.mp4#t=1.000"):
            sent = {"picture": (address, scene_png())}
            answer = served.client.post("/api/scenes", files=sent, data={"image_id": name})
            assert answer.status_code == 201, answer.text
            [first, *_] = answer.json()["people"]
            assert served.client.get(first["crop"]).status_code == 200
            assert served.client.get(first["scene"]).headers["x-scene-width"] == "160"
        with pytest.raises(TimeoutError):
            trap.accept()
    kept = sorted(path.name for path in (served.folder.parent / "kept").iterdir())
    assert len(kept) == 4
    assert all(len(name) == 72 and name.endswith(".picture") for name in kept)


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({"Content-Type": "application/json"}, b"{}", 415, "multipart/form-data"),
        ({"Content-Type": "multipart/form-data"}, b"x", 400, "names no boundary"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"no form", 400, "cannot be read"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\n\r\n\r\n--x--", 400, "cannot be read"),
        (FORM, b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--", 400, "a part has no name"),
        (FORM, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nhalf', 400, "it ends early"),
        (FORM, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--', 400, "no UTF-8"),
        (FORM, b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\na\r\n--x--', 400, "no UTF-8"),
        (FORM, b"", 400, "it ends early"),
        ({}, b"", 415, "multipart/form-data"),
    ],
)
def test_what_is_no_form_is_refused(
    client: httpx.Client, headers: dict[str, str], body: bytes, status: int, words: str
) -> None:
    answer = client.post("/api/detect", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert words in error_of(answer)


def test_forms_with_too_much_in_them_are_refused(client: httpx.Client) -> None:
    data = scene_png()
    many = [("picture", ("a", data))] * (MOST_PICTURES + 1)
    assert "at most 16 pictures" in error_of(client.post("/api/search/picture", files=many))
    fields = {f"f{number}": "x" for number in range(700)}
    assert "600 other fields" in error_of(client.post("/api/detect", files={"picture": data}, data=fields))
    long = client.post("/api/detect", files={"picture": data}, data={"box": "1" * 20_000})
    assert error_of(long) == "'box': is longer than 16384 bytes"
    header = b"--x\r\nContent-Disposition: form-data; name=" + b"a" * 3_000_000
    big = client.post("/api/detect", content=header, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert big.status_code == 400
    assert "the head of a part" in error_of(big) or "it is damaged" in error_of(big)
    two = client.post("/api/detect", files=[("picture", ("a", data))] * 2)
    assert "one is needed here, 2 were sent" in error_of(two)
    other = client.post("/api/detect", files={"picture": data, "other": ("x", b"x")})
    assert "only picture is one" in error_of(other)


@pytest.fixture(scope="module")
def small(tiny: PersonSearcher, home: Path) -> Iterator[httpx.Client]:
    with running(create_app(home / "gallery", tiny, max_upload=100_000)) as client:
        yield client


def test_a_request_that_says_it_is_too_large_is_refused_before_it_is_sent(small: httpx.Client) -> None:
    with socket.create_connection((small.base_url.host, small.base_url.port), timeout=30) as line:
        line.sendall(
            b"POST /api/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_request_that_grows_too_large_is_refused_on_the_way(small: httpx.Client) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'
        while sent < 50_000_000:
            sent += 10_000
            yield b"0" * 10_000

    # What is too much is let pass by without being kept, so that the sender comes to read the answer.
    answer = small.post("/api/detect", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413
    assert "larger than 165536 bytes" in error_of(answer)
    assert small.get("/health").json()["status"] == "ok"


def test_what_is_refused_at_once_comes_to_be_read(small: httpx.Client) -> None:
    answer = small.post("/api/search", content=b" " * 3_000_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    foreign = {"Origin": "http://evil.example"}
    assert small.post("/api/detect", files={"picture": b"0" * 20_000_000}, headers=foreign).status_code == 403
    assert small.post("/api/nothing", content=b"0" * 100_000).status_code == 404


def test_what_is_sent_is_in_no_file_at_any_time(client: httpx.Client) -> None:
    """A picture of 3 MB, sent slowly: no file of this process, which is the service's too, has come into being."""
    noise = encoded(Image.effect_noise((1800, 1800), 90).convert("RGB"))
    assert len(noise) > 2_500_000
    links = Path("/proc/self/fd")
    if not links.exists():
        pytest.skip("this system does not list the files of a process")

    def files() -> set[str]:
        found = set()
        for link in links.iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if not target.startswith(("socket:", "pipe:", "anon_inode:", "/proc/", "/dev/")):
                found.add(target)
        return found

    before, seen = files(), set()

    def slowly() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
        for start in range(0, len(noise), 200_000):
            yield noise[start : start + 200_000]
            time.sleep(0.01)
            seen.update(files())
        yield b"\r\n--x--\r\n"

    answer = client.post("/api/detect", content=slowly(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 200
    assert answer.json()["width"] == 1800
    assert {name for name in seen - before if "gallery.sqlite" not in name} == set()


def test_clients_who_leave_in_the_middle_leave_nothing_behind(small: httpx.Client) -> None:
    head = (
        b"POST /api/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b'Content-Length: 90000\r\n\r\n--x\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'
    )
    for _ in range(30):
        with socket.create_connection((small.base_url.host, small.base_url.port)) as line:
            line.sendall(head + b"0" * 50_000)
    # Were they still counted, the memory for uploads would be used up for good: 30 x 50 kB of 8 x 165 kB.
    picture = {"picture": scene_png() + b"0" * 60_000}
    for _ in range(200):
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(lambda _: small.post("/api/detect", files=picture).status_code, range(4)))
        assert set(statuses) <= {200, 503}
        if statuses == [200] * 4:
            break
        time.sleep(0.01)
    assert statuses == [200] * 4


def test_a_client_that_sends_nothing_more_is_not_waited_for(
    tiny: PersonSearcher, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "PATIENCE", 0.2)
    monkeypatch.setattr(guard, "DRAIN_SECONDS", 0.2)
    with (
        running(create_app(home / "gallery", tiny)) as client,
        socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as line,
    ):
        line.sendall(
            b"POST /api/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 5000\r\n\r\n--x\r\n"
        )
        answer = b"".join(iter(lambda: line.recv(10_000), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"nothing more of the request came" in answer


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ("1,2,3", "must be four numbers"),
        ("a,b,c,d", "must be four numbers"),
        ("nan,0,1,1", "must be four numbers"),
        ("0.1,0.1,0.5,0.9", "looks like fractions"),
        ("50,50,20,20", "no area"),
        ("5000,5000,6000,6000", "it lies outside"),
        ("", "box: must be four numbers"),
    ],
)
def test_boxes_are_checked(client: httpx.Client, box: str, words: str) -> None:
    answer = client.post("/api/embed", files={"picture": scene_png()}, data={"box": box})
    assert answer.status_code == 400
    assert words in error_of(answer)
    assert "bytes>" not in answer.text


def test_a_box_for_each_picture_or_none(client: httpx.Client) -> None:
    sent = [("picture", ("a", scene_png()))] * 2
    answer = client.post("/api/search/picture", files=sent, data={"box": "1,2,30,40"})
    assert error_of(answer) == "box: 1 were sent for 2 pictures; send one for each, or none at all"


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"k": "many"}, 422, "k: Input should be a valid integer"),
        ({"color": "red"}, 400, "'color': there is no such field here"),
        ({"person": "1"}, 400, "'person': there is no such field here"),
        ({"k": ["1", "2"]}, 400, "k is given 2 times"),
        ({"since": "nan"}, 422, "since: Input should be a finite number"),
    ],
)
def test_fields_of_a_search_are_checked(client: httpx.Client, fields: dict, status: int, words: str) -> None:
    answer = client.post("/api/search/picture", files={"picture": scene_png()}, data=fields)
    assert answer.status_code == status
    assert words in error_of(answer)
