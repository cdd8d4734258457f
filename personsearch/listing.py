"""What ``index`` is pointed at, looked up: folders, globs, files, URLs and images in memory become named entries.

Everything found is accounted for: as an entry, as passed over, or as unreadable with its folder.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from personsearch.errors import GalleryError, ImageError
from personsearch.gallery.faults import DATABASE
from personsearch.gallery.stores.opening import is_address
from personsearch.pictures.decode import ImageInput, describe, is_url
from personsearch.pictures.formats import STREAM_SCHEMES, media_kind
from personsearch.pictures.sniffing import sniffed_kind

_LAST = "the gallery's folder comes last: personsearch index photos/ my-gallery/"


@dataclass(frozen=True, eq=False)
class Entry:
    """A still image, or a video that yields many scenes."""

    image_id: str
    image: ImageInput
    is_video: bool = False

    @property
    def printable(self) -> str:
        """The image_id with bytes that are not UTF-8 escaped; file names may hold any bytes."""
        return self.image_id.encode("utf-8", "backslashreplace").decode()

    def require_name(self) -> None:
        """Refuse a name that no gallery can store.

        Raises:
            ImageError: the file's name is not UTF-8.
        """
        if self.printable != self.image_id:
            raise ImageError(f"{self.printable}: the file's name is not valid UTF-8; rename it")

    @property
    def file(self) -> Path | None:
        """The file on the disk, if it is one."""
        if isinstance(self.image, os.PathLike) or (isinstance(self.image, str) and not is_url(self.image)):
            return Path(os.fspath(self.image))
        return None


@dataclass(frozen=True, eq=False)
class Listing:
    """What was found.

    Attributes:
        entries: stills and videos, in order.
        passed_over: what kind of file is neither picture nor video -> how many there were.
        unreadable: (folder, reason) of folders that could not be looked into.
    """

    entries: tuple[Entry, ...]
    passed_over: Mapping[str, int]
    unreadable: tuple[tuple[str, str], ...]


@dataclass(eq=False)
class _Account:
    """What a walk meets besides pictures and videos."""

    passed_over: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def list_inputs(
    images: str | os.PathLike[str] | Sequence[ImageInput] | Mapping[str, ImageInput], prefix: str = ""
) -> Listing:
    """Look up what the caller gave.

    Args:
        images: a folder, glob, file or URL, whose image_ids are paths below the folder or below the fixed part of the
            glob; a list of them, whose image_ids are paths as they are written, so that equal names in two folders stay
            apart; or a mapping image_id -> image.
        prefix: put before every image_id, with a ``/`` between them.

    Raises:
        ImageError: nothing is there, an image in memory has no id, or two inputs share one.
    """
    account = _Account()
    if isinstance(images, Mapping):
        found = [_given(str(name), image) for name, image in images.items()]
    elif isinstance(images, (str, os.PathLike)):
        found = _single(os.fspath(images), account)
    else:
        found = [entry for image in images for entry in _listed(image, account)]
    lead = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    entries: dict[str, Entry] = {}
    for entry in found:
        named = Entry(lead + entry.image_id, entry.image, entry.is_video)
        earlier = entries.setdefault(named.image_id, named)
        if earlier is not named and not _same_file(earlier, named):
            raise ImageError(f"image_id {named.image_id!r} occurs twice; give a mapping image_id -> image")
    return Listing(tuple(entries.values()), dict(account.passed_over), tuple(account.unreadable))


def check_inputs(images: str | Sequence[str]) -> None:
    """Refuse what :func:`list_inputs` would refuse, without listing a whole folder or glob for it.

    Raises:
        ImageError: nothing is there, or a folder or glob holds no image or video.
    """
    for one in [images] if isinstance(images, str) else images:
        if is_url(one) or Path(one).expanduser().is_file():
            continue
        if isinstance(images, str) or Path(one).expanduser().is_dir() or glob.has_magic(one):
            _, files = _media_in(one, _Account())
            next(files)


def check_gallery(path: str | os.PathLike[str]) -> None:
    """Refuse a path that is no gallery to index into: a file, a glob, a folder of pictures, a place closed to writing.

    A gallery forgotten on the command line would otherwise be made among the last folder's pictures. The address of an
    engine passes.

    Raises:
        GalleryError: says what it is and what to give.
    """
    if is_address(path):
        return
    folder = Path(path)
    try:
        _check_gallery(folder)
    except OSError as error:
        raise GalleryError(f"{folder}: cannot be looked into ({error.strerror}); name another folder") from None


def _check_gallery(folder: Path) -> None:
    nearest = next((parent for parent in (folder, *folder.absolute().parents) if parent.exists()), folder)
    if nearest.is_dir() and not os.access(nearest, os.W_OK):
        raise GalleryError(f"{nearest}: cannot be written to; name another folder for the gallery")
    if (folder / DATABASE).is_file():
        return
    if folder.is_file():
        raise GalleryError(f"{folder}: is a file, not a gallery; {_LAST}")
    if folder.is_dir():
        first = next(_walk(folder, _Account()), None)
        if first is not None:
            raise GalleryError(f"{folder}: holds pictures ({first.relative_to(folder)}) and no gallery; {_LAST}")
    elif glob.has_magic(str(folder)):
        raise GalleryError(f"{folder}: looks like a glob, not like a gallery; {_LAST}")


def _single(text: str, account: _Account) -> list[Entry]:
    if is_url(text):
        return [Entry(text, text)]
    path = Path(text).expanduser()
    if path.is_file():
        return [_named(path, path.name)]
    root, files = _media_in(text, account)
    return [_found(file, file.relative_to(root).as_posix()) for file in sorted(files)]


def _listed(image: ImageInput, account: _Account) -> list[Entry]:
    """Return the entries of one element of a list; their image_ids are paths as they are written."""
    if isinstance(image, str) and is_url(image):
        return [Entry(image, image)]
    if not isinstance(image, (str, os.PathLike)):
        raise ImageError(f"{describe(image)}: an image in memory has no name; give a mapping image_id -> image")
    _refuse_address(os.fspath(image))
    path = Path(image).expanduser()
    if path.is_dir() or (glob.has_magic(os.fspath(image)) and not path.exists()):
        _, files = _media_in(os.fspath(image), account)
        return [_found(file, file.as_posix()) for file in sorted(files)]
    return [_named(path, Path(image).as_posix())]


def _media_in(text: str, account: _Account) -> tuple[Path, Iterator[Path]]:
    """Return what image_ids of a folder or glob are relative to, and its images and videos, found as they are taken.

    Raises:
        ImageError: there is no such folder or glob; on the first file asked for, that it holds no image or video.
    """
    _refuse_address(text)
    path = Path(text).expanduser()
    if path.is_dir():
        return path, _or_refuse(_walk(path, account), path, account, "the folder holds no image or video")
    if glob.has_magic(text):
        paths = (Path(name) for name in glob.iglob(os.fspath(path), recursive=True))
        matched = (file for file in paths if file.is_file() and _is_media(file, account))
        return _fixed_part(os.fspath(path)), _or_refuse(matched, text, account, "matches no image or video")
    raise ImageError(f"{text}: no such folder, file or glob")


def _refuse_address(text: str) -> None:
    scheme, mark, _ = text.partition("://")
    if not mark or os.path.exists(text):
        return
    if scheme in STREAM_SCHEMES:  # such an address may hold a password; pictures at http:// do not come here
        raise ImageError(f"{scheme}://...: a live stream is not indexed but watched: 'personsearch watch'")
    raise ImageError(
        f"{text}: pictures in object storage are indexed on Ray: 'personsearch index ... --on ray', in Python "
        "personsearch.scale.index"
    )


def _or_refuse(files: Iterator[Path], name: object, account: _Account, nothing: str) -> Iterator[Path]:
    nothing_found = True
    for file in files:
        nothing_found = False
        yield file
    if nothing_found:
        passed = f" ({describe_counts(account.passed_over)} passed over)" if account.passed_over else ""
        denied = "".join(f"; {folder}: {reason}" for folder, reason in account.unreadable[:1])
        raise ImageError(f"{name}: {nothing}{passed}{denied}")


def describe_counts(counts: Mapping[str, int]) -> str:
    """Write what was passed over: ``3 .txt, 1 link to a folder``."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _walk(root: Path, account: _Account) -> Iterator[Path]:
    """Yield the pictures and videos below a folder. Galleries below it are not looked into."""

    def denied(error: OSError) -> None:
        account.unreadable.append((os.fspath(error.filename), error.strerror or str(error)))

    for folder, folders, files in os.walk(root, onerror=denied):
        if DATABASE in files and Path(folder) != root:
            folders.clear()
            continue
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        account.passed_over.update({"link to a folder": len(links)} if links else {})
        folders.sort()
        for name in sorted(files):
            file = Path(folder, name)
            if not file.exists():
                account.passed_over["broken link"] += 1
            elif not file.is_file():
                account.passed_over["pipe, socket or device"] += 1
            elif _is_media(file, account):
                yield file


def _is_media(file: Path, account: _Account) -> bool:
    if media_kind(file) is not None:
        return True
    account.passed_over[file.suffix.lower() or "without a suffix"] += 1
    return False


def _found(path: Path, image_id: str) -> Entry:
    return Entry(image_id, path, is_video=media_kind(path) == "video")


def _given(image_id: str, image: ImageInput) -> Entry:
    """Return the entry of a mapping's value; a path stays as it was given."""
    if isinstance(image, str) and is_url(image):
        return Entry(image_id, image)
    if isinstance(image, (str, os.PathLike)):
        return Entry(image_id, image, is_video=_named(Path(image), image_id).is_video)
    return Entry(image_id, image)


def _named(path: Path, image_id: str) -> Entry:
    """Return the entry of a file that the caller named: whatever its suffix says, it is looked into if need be."""
    kind = media_kind(path)
    if kind is None and path.is_file():
        kind = sniffed_kind(path)
    return Entry(image_id, path, is_video=kind == "video")


def _same_file(one: Entry, other: Entry) -> bool:
    if one.file is None or other.file is None:
        return isinstance(one.image, str) and one.image == other.image
    return os.path.abspath(one.file) == os.path.abspath(other.file)


def _fixed_part(pattern: str) -> Path:
    """Return the folders of a glob before its first wildcard: what image_ids are relative to."""
    fixed: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)
