import io
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.decode import load_image
from personsearch.pictures.formats import heif_format, media_kind, picture_format, video_format
from personsearch.pictures.sniffing import sniffed_kind
from tests.pictures.films import film

PICTURES = "jpg JPG jpeg jpe jfif mpo png apng bmp gif webp tif TIFF tga ppm pgm jp2 ico heic HEIC heif hif avif"
VIDEOS = "mp4 MP4 m4v mov MOV 3gp 3g2 mkv webm avi wmv asf flv mpg mpeg ts mts MTS m2ts vob mxf dav 264 h265 mod lrv"
NEITHER = "pdf h5 hdf grib bufr txt csv json svg mp3 wav zip toml dng nef"
SUFFIXES = [(PICTURES, "image"), (VIDEOS, "video"), (NEITHER, None)]


@pytest.mark.parametrize(("suffixes", "kind"), SUFFIXES, ids=["pictures", "videos", "neither"])
def test_suffixes(suffixes: str, kind: str | None) -> None:
    assert {suffix: media_kind(Path(f"a.{suffix}")) for suffix in suffixes.split()} == dict.fromkeys(
        suffixes.split(), kind
    )
    assert media_kind(Path("mp4")) is None


def test_every_suffix_of_a_picture_is_one_that_pillow_opens() -> None:
    for suffix, form in Image.registered_extensions().items():
        assert (media_kind(Path(f"a{suffix}")) == "image") <= (form in {*Image.OPEN, "MPO"}), suffix


def encoded(kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "TGA"])
def test_a_picture_of_any_name_is_known_by_its_content(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(encoded(kind))
    assert sniffed_kind(tmp_path / "a.dat") == "image"
    assert picture_format(tmp_path / "a.dat") == kind
    assert video_format(encoded(kind)) is None


CONTAINERS = [
    ("mp4", "libx264", "MP4 or MOV"),
    ("mov", "mpeg4", "MP4 or MOV"),
    ("matroska", "libx264", "Matroska or WebM"),
    ("webm", "libvpx", "Matroska or WebM"),
    ("avi", "mpeg4", "AVI"),
    ("asf", "wmv2", "WMV"),
    ("flv", "flv", "FLV"),
    ("mpegts", "libx264", "MPEG-TS"),
    ("h264", "libx264", None),  # has no head of its own: PyAV knows it
]


@pytest.mark.parametrize(("form", "codec", "name"), CONTAINERS)
def test_a_video_of_any_name_is_known_by_its_content(form: str, codec: str, name: str | None, tmp_path: Path) -> None:
    path = film(tmp_path / "a.dat", codec, form=form)
    assert sniffed_kind(path) == "video"
    assert video_format(path.read_bytes()[:400]) == name
    if name:
        with pytest.raises(ImageError, match=rf"a\.dat: is no picture but a video, {name}; give its name the suffix"):
            load_image(path)


def test_the_head_of_a_video_is_enough_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, raw = film(tmp_path / "a.dat", form="mp4"), film(tmp_path / "b.dat", "libx264", form="h264")
    monkeypatch.setitem(sys.modules, "av", None)
    assert sniffed_kind(clip) == "video"
    assert sniffed_kind(raw) is None


@pytest.mark.parametrize("content", [b"", b"hello\n" * 400, b"%PDF-1.7\n", b'{"images": []}', b"RIFF\0\0\0\0WAVEfmt "])
def test_other_files_are_neither(content: bytes, tmp_path: Path) -> None:
    for name in ("a.dat", "a.txt"):
        (tmp_path / name).write_bytes(content)
        assert sniffed_kind(tmp_path / name) is None
    assert sniffed_kind(tmp_path / "missing") is None
    assert sniffed_kind(tmp_path) is None


def brand(major: bytes, *others: bytes) -> bytes:
    body = b"ftyp" + major + b"\0\0\0\0" + b"".join(others)
    return (len(body) + 4).to_bytes(4, "big") + body + b"rest of the file"


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (brand(b"heic", b"mif1"), "HEIC"),
        (brand(b"mif1", b"heic"), "HEIC"),
        (brand(b"mif1", b"avif"), "AVIF"),
        (brand(b"avif", b"mif1"), "AVIF"),
        (brand(b"isom", b"mp41"), None),
        (brand(b"qt  "), None),
        (b"", None),
    ],
)
def test_brands(data: bytes, form: str | None) -> None:
    assert heif_format(data) == form
    assert (video_format(data) is not None) == (form is None and bool(data))


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300))
def test_random_bytes_are_something_or_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.dat"
    path.write_bytes(content)
    assert sniffed_kind(path) in ("image", "video", None)
