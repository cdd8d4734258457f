from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from personsearch.errors import ImageError
from personsearch.pictures.saving import _inner_names, require_savable, save_picture, targets_of


def inner(folder: Path, names: list[str]) -> list[str]:
    return [target.relative_to(folder).as_posix() for target in targets_of(names, f"{folder}/")]


def test_equal_names_of_two_folders_stay_apart(tmp_path: Path) -> None:
    assert inner(tmp_path, ["cam1/frame.jpg", "cam2/frame.jpg"]) == ["cam1/frame.png", "cam2/frame.png"]
    assert inner(tmp_path, ["/a/x/1.jpg", "/a/y/z/1.jpg", "/a/2.jpg"]) == ["x/1.png", "y/z/1.png", "2.png"]
    assert inner(tmp_path, ["x/a.jpg", "x/b.jpg"]) == ["a.png", "b.png"]
    assert inner(tmp_path, ["a.jpg", "a.png", "b.jpg"]) == ["a.jpg.png", "a.png.png", "b.png"]
    assert inner(tmp_path, ["../a.jpg", "../../a.jpg"])[0] != inner(tmp_path, ["../a.jpg", "../../a.jpg"])[1]


def test_an_image_that_is_named_twice_is_drawn_once(tmp_path: Path) -> None:
    one, two, again = targets_of(["a.jpg", "b.jpg", "a.jpg"], f"{tmp_path}/")
    assert (one, two) == (tmp_path / "a.png", tmp_path / "b.png")
    assert again == one


def test_one_image_goes_into_the_file_or_the_folder(tmp_path: Path) -> None:
    assert targets_of(["x/a.jpg"], str(tmp_path / "boxes.webp")) == [tmp_path / "boxes.webp"]
    assert targets_of(["x/a.jpg"], str(tmp_path)) == [tmp_path / "a.png"]
    assert targets_of(["x/a.jpg"], f"{tmp_path}/new/") == [tmp_path / "new" / "a.png"]
    assert (tmp_path / "new").is_dir()
    assert targets_of(["https://example.org/p/a.jpg?w=3"], f"{tmp_path}/") == [tmp_path / "a.png"]


@pytest.mark.parametrize(
    ("save", "message"),
    [
        ("boxes", r"--save .*boxes: does not end like a picture; name it boxes\.png"),
        ("boxes.txt", "does not end like a picture"),
        ("file/boxes.png", "this folder cannot be made"),
        ("/proc/nothing/boxes.png", "this folder cannot be made"),
    ],
)
def test_places_that_cannot_be_written_to(save: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ImageError, match=message):
        targets_of(["a.jpg"], str(tmp_path / save))
    if save.startswith("file"):
        with pytest.raises(ImageError, match=message):
            targets_of(["a.jpg", "b.jpg"], str(tmp_path / "file" / "folder"))


def test_a_picture_of_another_image_is_not_replaced(tmp_path: Path) -> None:
    for camera in ("cam1", "cam2"):
        (tmp_path / camera).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / camera / "a.jpg")
    first, second = str(tmp_path / "cam1" / "a.jpg"), str(tmp_path / "cam2" / "a.jpg")
    [target] = targets_of([first], f"{tmp_path}/out/")
    save_picture(Image.new("RGB", (4, 4)), target, first)
    assert targets_of([first], f"{tmp_path}/out/") == [target]  # the same image again
    with pytest.raises(ImageError, match=f"{target}: is there already and shows {first}, not {second}; name another"):
        targets_of([second], f"{tmp_path}/out/")
    Image.new("RGB", (4, 4)).save(tmp_path / "out" / "b.png")
    with pytest.raises(ImageError, match=r"b\.png: is there already and is none of ours, not b\.jpg"):
        targets_of(["b.jpg"], f"{tmp_path}/out/")


def test_an_image_is_not_replaced_by_its_own_drawing(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(image)
    for save in (str(image), f"{tmp_path}/"):
        with pytest.raises(ImageError, match="is the image itself, which would be lost"):
            targets_of([str(image)], save)
    with pytest.raises(ImageError, match="is the image itself"):
        require_savable(image, inputs=[str(image)])


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "m.png").mkdir()
    with pytest.raises(ImageError, match=r"is a folder; name a picture in it, such as .*m\.png/matches\.png"):
        require_savable(tmp_path / "m.png")


def test_what_passes_can_be_saved(tmp_path: Path) -> None:
    for suffix in ("png", "jpg", "JPEG", "webp", "tiff"):
        path = tmp_path / "new" / f"a.{suffix}"
        require_savable(path)
        Image.new("RGB", (4, 4)).save(path)


NAMES = st.lists(
    st.lists(
        st.sampled_from(["a", "b", "..", ".", "a.jpg", "a.png", "a.jpg.png", "1-a.png"]), min_size=1, max_size=4
    ).map("/".join),
    min_size=2,
    max_size=6,
    unique_by=lambda name: str(Path("/r/s/t/u", name).resolve()),
)


@given(NAMES)
def test_no_two_images_share_a_place(names: list[str]) -> None:
    found = _inner_names(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    assert not any(".." in Path(place).parts or place.startswith("/") for place in found.values())
