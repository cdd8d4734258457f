"""Pictures and videos in object storage: listed and fetched through fsspec, with ``s3fs`` for ``s3://``."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from personsearch.errors import ImageError, MissingExtraError
from personsearch.listing import Entry, describe_counts
from personsearch.object_storage import file_system
from personsearch.pictures.formats import media_kind

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://")
_WEB = ("http://", "https://")


def is_remote(image: object) -> bool:
    """Whether an input is an address for fsspec, such as ``s3://bucket/folder``; the web's are not."""
    return isinstance(image, str) and _ADDRESS.match(image) is not None and not image.startswith(_WEB)


def is_video(name: str) -> bool:
    """Whether a file is a video, by its suffix: nothing is fetched to find out."""
    return media_kind(PurePosixPath(name)) == "video"  # type: ignore[arg-type]


def list_remote(address: str, passed_over: Counter[str], *, whole_names: bool = False) -> list[Entry]:
    """Find the pictures and videos of a folder, a glob or a file in object storage.

    Args:
        address: such as ``s3://bucket/folder``, ``s3://bucket/**/*.jpg`` or ``s3://bucket/a.jpg``.
        passed_over: counts the kinds of files that are neither.
        whole_names: let image_ids be whole addresses, not paths below the folder or the fixed part of the glob.

    Raises:
        ImageError: nothing is there, or it cannot be listed.
        MissingExtraError: the package for such addresses is not installed.
    """
    fs, path = _opened(address)
    try:
        if glob.has_magic(path):
            names, root = fs.glob(path), _fixed_part(path)
            names = [name for name in names if fs.isfile(name)] if "**" not in path else names
        elif fs.isfile(path):
            names, root = [path], str(PurePosixPath(path).parent)
        else:
            names, root = fs.find(path), path
    except Exception as error:  # every store has exceptions of its own
        raise ImageError(f"{address}: cannot be listed ({_reason(error)})") from None
    found: list[Entry] = []
    for name in sorted(map(str, names), key=lambda name: PurePosixPath(name).parts):
        if media_kind(PurePosixPath(name)) is None and name != path:  # type: ignore[arg-type]
            passed_over[PurePosixPath(name).suffix.lower() or "without a suffix"] += 1
            continue
        url = str(fs.unstrip_protocol(name))
        found.append(Entry(url if whole_names else _below(root, name), url, is_video(name)))
    if not found:
        passed = f" ({describe_counts(passed_over)} passed over)" if passed_over else ""
        raise ImageError(f"{address}: there is no image or video{passed}")
    return found


def fetch(address: str) -> bytes:
    """Return the content of a file in object storage.

    Raises:
        ImageError: it cannot be read.
        MissingExtraError: the package for such addresses is not installed.
    """
    fs, path = _opened(address)
    try:
        return bytes(fs.cat_file(path))
    except Exception as error:  # every store has exceptions of its own
        raise ImageError(f"{address}: cannot be read ({_reason(error)})") from None


def fetch_to(address: str, file: str | os.PathLike[str]) -> None:
    """Copy a file out of object storage.

    Raises:
        ImageError: it cannot be read.
        MissingExtraError: the package for such addresses is not installed.
    """
    fs, path = _opened(address)
    try:
        fs.get_file(path, os.fspath(file))
    except Exception as error:  # every store has exceptions of its own
        raise ImageError(f"{address}: cannot be read ({_reason(error)})") from None


def _opened(address: str) -> tuple[Any, str]:
    """Return fsspec's file system for an address, which keeps no listings, and the address as it calls it."""
    try:
        return file_system(address, name=address, options={"use_listings_cache": False})
    except MissingExtraError:
        raise
    except Exception as error:
        raise ImageError(f"{address}: not an address that fsspec opens ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _fixed_part(pattern: str) -> str:
    """Return the folders of a glob before its first wildcard."""
    fixed: list[str] = []
    for part in pattern.split("/")[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return "/".join(fixed)


def _below(root: str, name: str) -> str:
    return PurePosixPath(name).relative_to(PurePosixPath(root)).as_posix()
