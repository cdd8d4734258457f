"""A MATLAB 5 file with one large struct array, cut into its elements so that scipy can read them one at a time.

Only the outermost layer is read here (MAT-File Format, MathWorks: header, tags, array flags, dimensions, names). Each
field of each element becomes a small file of its own, which scipy parses.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import BinaryIO

from personsearch.datasets.formats.ledger import ProblemError

_HEADER, _TAG = 128, 8
_MATRIX, _COMPRESSED, _STRUCT_CLASS = 14, 15, 2
_CHUNK = 1 << 16
#: Arrays inside others have an empty name; it is replaced by "x", because scipy skips arrays without a name.
_NO_NAME, _NAMED = struct.pack("<II", 1, 0), struct.pack("<HH4s", 1, 1, b"x")


class _OtherFormError(Exception):
    """Not a little-endian MATLAB 5 file that begins with a struct array."""


class StructReader:
    """Reads the struct array of a file element by element.

    Attributes:
        key: the array's name; "" if the file has another form.
        length: how many elements it has.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.key, self.length, self._path = "", 0, path
        try:
            self._begin(file)
        except (_OtherFormError, struct.error, zlib.error, UnicodeDecodeError):
            self.key = ""

    @staticmethod
    @contextmanager
    def open(path: Path) -> Iterator[StructReader]:
        """Open a file.

        Raises:
            ProblemError: there is no such file.
        """
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise ProblemError(path, "no such file") from None
        with file:
            yield StructReader(path, file)

    def fields(self) -> list[bytes]:
        """Return the next element's fields, each as the bytes of a file with one variable "x"; b"" is an empty array.

        Raises:
            ProblemError: the file ends here or is damaged.
        """
        try:
            return [self._field() for _ in range(self._num_fields)]
        except (_OtherFormError, struct.error, zlib.error) as error:
            raise ProblemError(self._path, f"is not a readable .mat file: truncated or damaged ({error})") from None

    def _begin(self, file: BinaryIO) -> None:
        self._header = file.read(_HEADER)
        if self._header[124:128] != b"\x00\x01IM":
            raise _OtherFormError
        kind, size = struct.unpack("<II", file.read(_TAG))
        if kind == _COMPRESSED:
            self._source: _Inflated | BinaryIO = _Inflated(file, size)
        else:
            file.seek(_HEADER)
            self._source = file
        if self._tag()[0] != _MATRIX:
            raise _OtherFormError
        flags = self._element()
        if flags[0] != _STRUCT_CLASS:
            raise _OtherFormError
        dimensions = self._element()
        self.length = prod(struct.unpack(f"<{len(dimensions) // 4}i", dimensions))
        self.key = self._element().decode("latin1")
        (width,) = struct.unpack("<i", self._element())
        self._num_fields = len(self._element()) // width

    def _field(self) -> bytes:
        kind, size = self._tag()
        if kind != _MATRIX:
            raise _OtherFormError(f"a field begins with type {kind}")
        if size == 0:
            return b""
        body = self._read(size)
        # The flags take 16 bytes; the dimensions lie between them and the name.
        (dimensions,) = struct.unpack_from("<I", body, 20)
        name = 24 + dimensions + -dimensions % 8
        if body[name : name + 8] != _NO_NAME:
            raise _OtherFormError("a field has a name")
        tag = struct.pack("<II", _MATRIX, size)
        return b"".join((self._header, tag, body[:name], _NAMED, body[name + 8 :]))

    def _tag(self) -> tuple[int, int]:
        kind, size = struct.unpack("<II", self._read(_TAG))
        return kind, size

    def _element(self) -> bytes:
        """Read an element that is not an array: up to four bytes lie within the tag, more are padded to eight."""
        tag = self._read(_TAG)
        small, size = struct.unpack("<HH", tag[:4])
        if size:
            return tag[4 : 4 + size]
        (size,) = struct.unpack("<I", tag[4:])
        return self._read(size + -size % 8)[:size] if small else b""

    def _read(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            raise _OtherFormError("the file ends early")
        return data


class _Inflated:
    """Reads a compressed part of a file, a chunk at a time."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size
        self._inflate, self._ready = zlib.decompressobj(), bytearray()

    def read(self, size: int) -> bytes:
        while len(self._ready) < size and self._left:
            chunk = self._file.read(min(_CHUNK, self._left))
            if not chunk:
                break
            self._left -= len(chunk)
            self._ready += self._inflate.decompress(chunk)
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data
