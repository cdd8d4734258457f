"""Where pictures are written: checked before the work that they are to show, and one file for each."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from personsearch.errors import ImageError
from personsearch.pictures.decode import is_url

#: The text in a PNG that says of which image it is.
_NOTE = "personsearch-image"


def require_savable(path: Path, option: str = "--save", *, inputs: Sequence[str] = ()) -> None:
    """Refuse a file into which no picture can be written, and make the folder that it goes into.

    Args:
        path: the picture to be written.
        option: for the message.
        inputs: the images that are drawn into it, which it must not replace.

    Raises:
        ImageError: its suffix is that of no picture, it is a folder or an input, or it cannot be written to.
    """
    if any(path.exists() and os.path.exists(name) and os.path.samefile(name, path) for name in inputs):
        raise ImageError(f"{option} {path}: is the image itself, which would be lost; name another place")
    suffixes = Image.registered_extensions()
    if suffixes.get(path.suffix.lower()) not in Image.SAVE:
        raise ImageError(
            f"{option} {path}: does not end like a picture; name it {path.name or 'picture'}.png, for example"
        )
    if path.is_dir():
        raise ImageError(f"{option} {path}: is a folder; name a picture in it, such as {path / 'matches.png'}")
    require_folder(path.parent, option)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ImageError(f"{option} {path}: cannot be written to; name another place")


def targets_of(names: Sequence[str], save: str, option: str = "--save") -> list[Path]:
    """Return where the picture of each image goes, and make the folders.

    One image goes into the file that was named; or into the folder, if there is one or the name ends with a slash.
    Several go into the folder, under the names that they have below their common folder, so that pictures of the same
    name stay apart. All are PNG there; one that shows another image, as :func:`save_picture` notes it, is not replaced.

    Args:
        names: paths or URLs of the images; one that is named twice is drawn once.
        save: a picture or a folder.
        option: for messages.

    Raises:
        ImageError: a place cannot be written to, or holds something else.
    """
    path = Path(save)
    if len(set(names)) == 1 and not (save.endswith(("/", os.sep)) or path.is_dir()):
        require_savable(path, option, inputs=names)
        return [path] * len(names)
    require_folder(path, option)
    targets = {name: path / inner for name, inner in _inner_names(list(dict.fromkeys(names))).items()}
    for name, target in targets.items():
        require_savable(target, option, inputs=names)
        shown = _shown_in(target) if target.exists() else _origin(name)
        if shown != _origin(name):
            what = f"shows {shown}" if shown else "is none of ours"
            raise ImageError(f"{option} {target}: is there already and {what}, not {name}; name another folder")
    return [targets[name] for name in names]


def save_picture(picture: Image.Image, path: Path, name: str) -> None:
    """Write a picture; a PNG notes which image it shows, so that it is not replaced by that of another one.

    Args:
        picture: to be written.
        path: the file.
        name: path or URL of the image that it shows.
    """
    if path.suffix.lower() != ".png":
        picture.save(path)
        return
    note = PngInfo()
    note.add_itxt(_NOTE, _origin(name))
    picture.save(path, pnginfo=note)


def jpeg_bytes(picture: Image.Image, quality: int) -> bytes:
    """Encode a picture as a JPEG, without anything but its pixels."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=quality)
    return file.getvalue()


def _shown_in(path: Path) -> str | None:
    """Return which image a picture that :func:`save_picture` wrote shows; None of any other file."""
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture.info.get(_NOTE)
    except Exception:  # Pillow raises many types for files that are no pictures
        return None


def _origin(name: str) -> str:
    return name if is_url(name) else str(Path(name).absolute()).encode("utf-8", "backslashreplace").decode()


def _inner_names(names: list[str]) -> dict[str, str]:
    """Return a path below the folder for each of several different names, all of them different."""
    parts = {name: _parts(name) for name in names}
    folders = [inner[:-1] for inner in parts.values()]
    differing = (depth for depth, names_there in enumerate(zip(*folders, strict=False)) if len(set(names_there)) > 1)
    common = next(differing, min(map(len, folders)))
    inner = {name: PurePosixPath(*one[common:]) for name, one in parts.items()}
    png = {name: str(path.with_suffix(".png")) for name, path in inner.items()}
    taken = Counter(png.values())
    # a.jpg and a.png in one folder
    named = {name: text if taken[text] == 1 else f"{inner[name]}.png" for name, text in png.items()}
    taken = Counter(named.values())
    return {
        name: text if taken[text] == 1 else f"{number}-{PurePosixPath(text).name}"
        for number, (name, text) in enumerate(named.items(), start=1)
    }


def _parts(name: str) -> list[str]:
    """Return the parts of an absolute path, or of a URL's host, path and query, that can be names of files."""
    text = name.partition("://")[2] if is_url(name) else Path(name).absolute().as_posix()
    parts = [part for part in text.split("/") if part not in ("", ".")]
    resolved: list[str] = []
    for part in parts:
        if part == "..":
            del resolved[-1:]
        else:
            resolved.append(part.replace("?", "_").replace("&", "_"))
    return resolved or ["picture"]


def require_folder(folder: Path, option: str = "--save") -> None:
    """Make a folder for pictures where it is missing.

    Raises:
        ImageError: it cannot be made, or cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{option} {folder}: this folder cannot be made ({error.strerror}); name another") from None
    if not os.access(folder, os.W_OK):
        raise ImageError(f"{option} {folder}: cannot be written to; name another place")
