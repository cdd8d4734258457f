"""Pictures as they come: broken, huge, tiny, odd, or never arriving."""

import io
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from personsearch import PersonSearcher
from personsearch.errors import ImageError
from personsearch.pictures import decode
from personsearch.pictures.decode import load_image

Serve = Callable[[Callable[[socket.socket], None]], str]


def png(width: int, height: int) -> bytes:
    """Return a small file that claims to be a huge black picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("side", [15_000, 60_000])
def test_a_bomb_is_refused_unopened(side: int, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side))
    with pytest.raises(ImageError, match=r"bomb\.png: .*too many pixels"):
        load_image(path)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"GIF89a", b"<svg/>"])
def test_stubs_of_files_are_named(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "stub.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"stub\.jpg: cannot be read as an image"):
        load_image(path)


def test_a_folder_is_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a folder"):
        load_image(tmp_path)


def test_the_first_frame_of_an_animation_is_used() -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    file = io.BytesIO()
    red.save(file, "GIF", save_all=True, append_images=[blue])
    assert load_image(file.getvalue())[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("size", [(1, 1), (20_000, 50), (50, 20_000), (1, 5000)])
def test_odd_shapes_are_searched_without_complaint(size: tuple[int, int], tiny_searcher: PersonSearcher) -> None:
    found = tiny_searcher.detect(noise(*size))
    assert found.image_size == (size[1], size[0])
    assert (found.boxes[:, [0, 2]] <= size[0]).all()
    assert (found.boxes[:, [1, 3]] <= size[1]).all()


def test_every_truncation_is_an_error_or_the_whole_picture() -> None:
    file = io.BytesIO()
    noise(24, 16).save(file, "JPEG")
    data = file.getvalue()
    for length in range(0, len(data) - 2, 7):
        with pytest.raises(ImageError):
            load_image(data[:length])


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Change, cut, double or shuffle bytes."""
    changed = bytearray(data)
    kind = rng.integers(4)
    if kind == 0:
        del changed[rng.integers(len(changed)) :]
    elif kind == 1:
        start, length = rng.integers(len(changed)), rng.integers(1, 64)
        changed[start:start] = changed[start : start + length]
    else:
        for position in rng.integers(len(changed), size=rng.choice([1, 4, 40])):
            changed[position] = rng.integers(256)
    return bytes(changed)


def fuzz_images(times: int) -> tuple[int, int]:
    """Decode damaged pictures of every format; return how many were refused and how many could be shown."""
    rng = np.random.default_rng(times)
    originals = []
    for form, mode in [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("GIF", "P"), ("WEBP", "RGB")]:
        file = io.BytesIO()
        noise(40, 30).convert(mode).save(file, form)
        originals.append(file.getvalue())
    for form in ("BMP", "TIFF", "PPM", "JPEG2000"):
        file = io.BytesIO()
        noise(40, 30).save(file, form)
        originals.append(file.getvalue())
    refused = shown = 0
    for number in range(times):
        try:
            pixels = load_image(mutated(originals[number % len(originals)], rng))
        except ImageError:
            refused += 1
        else:
            shown += 1
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
            assert pixels.size
    return refused, shown


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*exceeds limit")
def test_damaged_pictures_are_refused_or_shown() -> None:
    refused, shown = fuzz_images(200)
    assert refused > 20
    assert shown > 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*exceeds limit")
def test_two_thousand_damaged_pictures() -> None:
    fuzz_images(2000)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer one connection on the loopback address with raw bytes."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def start(answer: Callable[[socket.socket], None]) -> str:
            def run() -> None:
                with suppress(OSError):
                    peer, _ = listening.accept()
                    with closing(peer):
                        peer.recv(4096)
                        answer(peer)

            threading.Thread(target=run, daemon=True).start()
            return f"http://127.0.0.1:{listening.getsockname()[1]}/photo.png"

        yield start


def test_a_url_that_answers(serve: Serve) -> None:
    file = io.BytesIO()
    noise(8, 6).save(file, "PNG")
    body = file.getvalue()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert load_image(serve(lambda peer: peer.sendall(head + body))).shape == (6, 8, 3)


def test_a_url_that_never_answers(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "URL_TIMEOUT_SECONDS", 0.3)
    with pytest.raises(ImageError, match=r"photo\.png: cannot be fetched \(.*timed out"):
        load_image(serve(lambda _: time.sleep(2)))


def test_a_url_that_drips(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(40):
            peer.sendall(b"x")
            time.sleep(0.05)

    monkeypatch.setattr(decode, "URL_TIMEOUT_SECONDS", 0.3)
    with pytest.raises(ImageError, match=r"photo\.png: not complete after"):
        load_image(serve(drip))


def test_a_url_that_sends_too_much(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def flood(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        while True:
            peer.sendall(b"x" * 65536)

    monkeypatch.setattr(decode, "URL_MAX_BYTES", 2**20)
    with pytest.raises(ImageError, match=r"photo\.png: larger than 1 MiB"):
        load_image(serve(flood))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n", b""])
def test_a_url_that_answers_otherwise(answer: bytes, serve: Serve) -> None:
    with pytest.raises(ImageError, match=r"photo\.png: cannot be fetched"):
        load_image(serve(lambda peer: peer.sendall(answer)))


@pytest.mark.parametrize("target", ["ftp://127.0.0.1:9/photo.png", "file:///etc/hostname"])
def test_a_url_that_redirects_elsewhere_than_to_http(target: str, serve: Serve) -> None:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
    with pytest.raises(ImageError, match=r"photo\.png: (redirects to ftp|cannot be fetched)"):
        load_image(serve(lambda peer: peer.sendall(answer)))


def test_an_incomplete_address() -> None:
    with pytest.raises(ImageError, match="cannot be fetched"):
        load_image("http://")
