"""Files and folders as people and their tools leave them: byte order marks, UTF-16, names that no file can have."""

from __future__ import annotations

import codecs
import json
import os
from pathlib import Path
from typing import Any

from personsearch.errors import DatasetError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def text_of_file(path: Path) -> str:
    """Read a text file; bytes that are no text become replacement characters, which the reader of the row refuses.

    Raises:
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors="replace")


def lines_of(path: Path) -> list[tuple[int, str]]:
    """Return number and text of the lines that are not blank.

    Raises:
        OSError: it cannot be read.
    """
    return [(number, line) for number, line in enumerate(text_of_file(path).splitlines(), 1) if line.strip()]


def json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        DatasetError: it cannot be read, or is no JSON object.
    """
    data = _json(path)
    if not isinstance(data, dict):
        raise DatasetError(f"{path}: must hold a JSON object, not {type(data).__name__}")
    return data


def json_list(path: Path) -> list[Any]:
    """Read a JSON list from a file, as :func:`json_object` reads an object.

    Raises:
        DatasetError: it cannot be read, or is no JSON list.
    """
    data = _json(path)
    if not isinstance(data, list):
        raise DatasetError(f"{path}: must hold a JSON list, not {type(data).__name__}")
    return data


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}); give the json file of the annotations"
        ) from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not text ({error.reason}); save it as JSON in UTF-8") from None
    except ValueError as error:
        raise DatasetError(f"{path}: not valid JSON: {error}") from None
    except RecursionError:
        raise DatasetError(f"{path}: not usable JSON: lists within lists, thousands deep") from None


def children_of(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted by name; nothing if there is no such folder.

    Raises:
        DatasetError: the folder cannot be listed.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror})") from None


def is_file(path: Path) -> bool:
    """Whether there is such a file; False, too, for a name that no file can have."""
    return os.path.isfile(path)


def is_picture(path: Path) -> bool:
    """Whether a file is a picture, by its suffix."""
    from personsearch.pictures.formats import media_kind  # loads Pillow, which reading annotations can do without

    return media_kind(path) == "image"
