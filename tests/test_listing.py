import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch import listing
from personsearch.errors import GalleryError, ImageError
from personsearch.listing import Listing, check_gallery, check_inputs, describe_counts, list_inputs
from personsearch.pictures.formats import media_kind
from tests.support import video


def images(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)


def ids(found: Listing) -> list[str]:
    return [entry.image_id for entry in found.entries]


def test_a_folder_gives_paths_below_it_in_order(tmp_path: Path) -> None:
    images(tmp_path, "b.jpg", "a/z.png", "a/k.jpg")
    for folder in (tmp_path, str(tmp_path), f"{tmp_path}/"):
        assert ids(list_inputs(folder)) == ["a/k.jpg", "a/z.png", "b.jpg"]


def test_a_glob_is_relative_to_its_fixed_part(tmp_path: Path) -> None:
    images(tmp_path, "day1/a.jpg", "day2/a.jpg", "day2/b.png")
    assert ids(list_inputs(f"{tmp_path}/*/a.jpg")) == ["day1/a.jpg", "day2/a.jpg"]
    assert ids(list_inputs(f"{tmp_path}/**/*.png")) == ["day2/b.png"]


def test_one_file_lists_and_mappings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path, "x/a.jpg", "x/b.jpg")
    assert ids(list_inputs(tmp_path / "x" / "a.jpg")) == ["a.jpg"]
    monkeypatch.chdir(tmp_path)
    assert ids(list_inputs(["x/a.jpg", Path("x/b.jpg")])) == ["x/a.jpg", "x/b.jpg"]
    assert ids(list_inputs({"one": np.zeros((4, 4, 3), np.uint8)})) == ["one"]


def test_names_in_several_folders_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path, "cam1/f.jpg", "cam2/f.jpg", "cam2/deep/f.jpg", "single.png")
    monkeypatch.chdir(tmp_path)
    expected = ["cam1/f.jpg", "cam2/deep/f.jpg", "cam2/f.jpg", "single.png"]
    assert ids(list_inputs(["cam1/", "./cam2", "single.png"])) == expected
    assert ids(list_inputs(["cam1/*.jpg", "cam2/**/*.jpg", "single.png"])) == expected
    assert ids(list_inputs([tmp_path / "cam1", "cam2/f.jpg"])) == [f"{tmp_path}/cam1/f.jpg", "cam2/f.jpg"]
    # A file that is named twice is one file; two files of one name are an error.
    assert ids(list_inputs(["cam1", "cam1/f.jpg", "cam1"])) == ["cam1/f.jpg"]


def test_a_prefix_stands_before_every_name(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    assert ids(list_inputs(tmp_path, "cam2/")) == ["cam2/a.jpg"]
    assert ids(list_inputs({"one": tmp_path / "a.jpg"}, "day/cam2")) == ["day/cam2/one"]


def test_a_mapping_may_hold_videos(tmp_path: Path) -> None:
    [entry] = list_inputs({"door": tmp_path / "clip.mp4"}).entries
    assert (entry.image_id, entry.is_video) == ("door", True)
    clip = video(tmp_path / "recording.mp4", frames=2).rename(tmp_path / "recording.dvr")  # told by its content
    for source in ({"door": str(clip)}, [clip], clip):
        assert [one.is_video for one in list_inputs(source).entries] == [True]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("/nowhere/at/all", "no such folder, file or glob"),
        ("/nowhere/*.jpg", "matches no image or video"),
        (["/nowhere/*.jpg"], "matches no image or video"),
        ([np.zeros((4, 4, 3), np.uint8)], "has no name; give a mapping"),
    ],
)
def test_mistakes_are_named(given: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        list_inputs(given)  # type: ignore[arg-type]
    if not isinstance(given, list) or isinstance(given[0], str):
        with pytest.raises(ImageError, match=message):
            check_inputs(given)  # type: ignore[arg-type]


def test_two_inputs_of_one_name_are_refused() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ImageError, match="'1' occurs twice; give a mapping"):
        list_inputs({1: picture, "1": picture})  # type: ignore[dict-item]


def test_everything_that_is_passed_over_is_counted(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "deep/b.png")
    for name in ("notes.txt", "deep/NOTES.TXT", "raw.nef", "Makefile", "deep/table.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "phone.HEIC").write_bytes(b"x")
    for name in ("a.3gp", "b.WMV", "c.mts"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    (tmp_path / "linked").symlink_to(tmp_path / "deep")
    found = list_inputs(tmp_path)
    assert ids(found) == ["a.3gp", "a.jpg", "b.WMV", "c.mts", "deep/b.png", "phone.HEIC"]
    assert [entry.is_video for entry in found.entries] == [True, False, True, True, False, False]
    assert found.passed_over == {
        ".txt": 2,
        ".nef": 1,
        ".csv": 1,
        "without a suffix": 1,
        "broken link": 1,
        "link to a folder": 1,
    }
    assert describe_counts({".txt": 2, ".csv": 1, "broken link": 3}) == "3 broken link, 2 .txt, 1 .csv"


def test_a_gallery_below_the_folder_is_not_looked_into(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "gallery/drawn.png")
    (tmp_path / "gallery" / "gallery.sqlite").write_bytes(b"")
    found = list_inputs(tmp_path)
    assert (ids(found), found.passed_over) == (["a.jpg"], {})


def test_a_folder_without_pictures_says_what_is_there(tmp_path: Path) -> None:
    for act in (list_inputs, check_inputs):
        with pytest.raises(ImageError, match=r"the folder holds no image or video$"):
            act(str(tmp_path))
    (tmp_path / "a.nef").write_bytes(b"x")
    for act in (list_inputs, check_inputs):
        with pytest.raises(ImageError, match=r"holds no image or video \(1 \.nef passed over\)"):
            act(str(tmp_path))


def test_the_check_stops_at_the_first_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path, *(f"{n}.jpg" for n in range(20)))
    looked_at: list[Path] = []
    monkeypatch.setattr(listing, "media_kind", lambda path: looked_at.append(path) or "image")
    for source in (str(tmp_path), f"{tmp_path}/*.jpg", str(tmp_path / "3.jpg"), "https://example.org/a.jpg"):
        check_inputs(source)
    assert len(looked_at) == 2  # one in the folder, one of the glob


def test_addresses_of_object_storage_and_streams_say_what_takes_them() -> None:
    for address in ("s3://bucket/photos", "s3://bucket/*.jpg", "gs://bucket/a.jpg"):
        for images in (address, [address]):
            with pytest.raises(ImageError, match=rf"{re.escape(address)}: pictures in object storage .* --on ray"):
                list_inputs(images)
    with pytest.raises(ImageError, match=r"^rtsp://\.\.\.: a live stream is not indexed but watched"):
        list_inputs(["rtsp://admin:secret@10.0.0.7/hall"])


def test_what_is_no_gallery_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path, "cam2/deep/a.jpg")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        GalleryError, match=r"cam2: holds pictures \(deep/a\.jpg\) and no gallery; the gallery's folder"
    ):
        check_gallery("cam2/")
    with pytest.raises(GalleryError, match=r"a\.jpg: is a file, not a gallery"):
        check_gallery("cam2/deep/a.jpg")
    with pytest.raises(GalleryError, match="looks like a glob"):
        check_gallery("cam2/*.jpg")
    for fine in ("new", "notes", tmp_path / "deep" / "new"):
        check_gallery(fine)
    shutil.copy(tmp_path / "notes" / "a.txt", tmp_path / "cam2" / "gallery.sqlite")
    check_gallery("cam2")


def test_a_place_that_is_closed_to_writing_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing.os, "access", lambda path, _: Path(path) != tmp_path)  # root may write everywhere
    with pytest.raises(GalleryError, match=f"^{tmp_path}: cannot be written to; name another folder for the gallery"):
        check_gallery(tmp_path / "new" / "g")
    (tmp_path / "mine").mkdir()
    check_gallery(tmp_path / "mine" / "g")


NAMES = st.sampled_from(["a.jpg", "b.JPG", "c.png", "d.mp4", "e.txt", "f", ".hidden", "g.jpg.txt", "h.heic", "ü.webp"])
FOLDERS = st.sampled_from(["", "x", "x/y", "z"])


@settings(deadline=None, max_examples=60)
@given(files=st.sets(st.tuples(FOLDERS, NAMES), max_size=12), split=st.booleans())
def test_every_file_is_an_entry_or_passed_over(
    files: set[tuple[str, str]], split: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for folder, name in files:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_bytes(b"x")
    tops = [top for top in ("x", "z") if (root / top).is_dir()] if split else [""]
    below = {top: [name for folder, name in files if folder.startswith(top)] for top in tops}
    sources = [str(root / top) for top in tops] if split else str(root)
    if any(not any(media_kind(Path(name)) for name in names) for names in below.values()):
        with pytest.raises(ImageError, match="holds no image or video"):
            list_inputs(sources)
        return
    found = list_inputs(sources)
    assert len(found.entries) + sum(found.passed_over.values()) == sum(map(len, below.values()))
    assert len(set(ids(found))) == len(found.entries)
