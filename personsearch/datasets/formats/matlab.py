"""MATLAB files, read with scipy; every error names its file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.formats.ledger import ProblemError
from personsearch.datasets.formats.matlab_struct import StructReader
from personsearch.errors import MissingExtraError


def read_mat(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    """Return the first of ``keys`` that a file has, as scipy reads it (structs as records, cells as objects).

    Raises:
        MissingExtraError: scipy is not installed.
        ProblemError: the file is missing, damaged, of another kind, or has none of the keys; lists those it has.
    """
    try:
        with path.open("rb") as file:
            contents = _loadmat(path, file)
    except FileNotFoundError:
        raise ProblemError(path, "no such file") from None
    except OSError as error:
        raise ProblemError(path, f"cannot be read ({error.strerror})") from None
    for key in keys:
        if key in contents:
            return np.asarray(contents[key])
    names = ", ".join(sorted(key for key in contents if not key.startswith("__"))) or "nothing"
    raise ProblemError(path, f"has no {' or '.join(keys)}; it holds {names}")


def read_struct(path: Path, keys: Sequence[str]) -> Iterator[Any]:
    """Yield the elements of a struct array one by one, each as its fields in order.

    Read at once, a file of many small arrays takes a kilobyte of memory for each number in it; here one element is in
    memory at a time. A file that is not a single struct array in the usual form is read by :func:`read_mat`.

    Raises:
        MissingExtraError: scipy is not installed.
        ProblemError: as from :func:`read_mat`; a truncated file yields the elements before the damage first.
    """
    with StructReader.open(path) as reader:
        if reader.key not in keys:
            yield from read_mat(path, keys).ravel()
            return
        for _ in range(reader.length):
            yield [_loadmat(path, BytesIO(part))["x"] if part else np.zeros((0, 0)) for part in reader.fields()]


def _loadmat(path: Path, file: BinaryIO) -> dict[str, Any]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingExtraError("MATLAB's .mat files need scipy: pip install 'personsearch[data]'") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about variables that occur twice and the like
            contents: dict[str, Any] = loadmat(file)
    except NotImplementedError:
        raise ProblemError(path, "is a MATLAB 7.3 file; save it with -v7") from None
    except Exception as error:  # scipy raises nearly anything for damaged files
        raise ProblemError(path, f"is not a readable .mat file: truncated or damaged ({error})") from None
    return contents


def text_of(cell: Any) -> str:
    """Return the text in a cell.

    Raises:
        ValueError: it holds no text.
    """
    while isinstance(cell, np.ndarray) and cell.size == 1:
        cell = cell.ravel()[0]
    if not isinstance(cell, str):
        raise ValueError(f"expected a name, got {_short(cell)}")  # noqa: TRY004 - like box_of
    return str(cell)


def box_of(cell: Any) -> NDArray[np.float64]:
    """Return the four numbers in a cell as float64: MATLAB's are often uint8, in which x + width overflows.

    Raises:
        ValueError: they are not four, or not numbers.
    """
    array = np.asarray(cell)
    if array.size != 4 or array.dtype.kind not in "uif":
        raise ValueError(f"expected x, y, width, height, got {_short(cell)}")
    return array.ravel().astype(np.float64)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
