"""The parts of a form as they come in, in memory: frameworks put large ones into temporary files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_multipart.multipart import parse_options_header

from personsearch.serve.faults import Refused

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

#: Pictures of one request.
MOST_PICTURES = 16
#: Other fields of one request.
MOST_FIELDS = 600
#: Bytes of one field that is no picture.
MOST_FIELD_BYTES = 16 * 1024
#: Bytes of the headers of one part.
MOST_HEAD_BYTES = 2 * 1024


class Parts:
    """Takes in what the parser of a form finds.

    Attributes:
        pictures: the content of the parts that are pictures, in order.
        fields: name -> the texts of the other parts, in order.
        ended: whether the form came to its end.
    """

    def __init__(self) -> None:
        self.pictures: list[bytes] = []
        self.fields: dict[str, list[str]] = {}
        self.ended = False
        self._num_fields = 0
        self._begin()

    def callbacks(self) -> MultipartCallbacks:
        """Return what the parser calls; each may raise ``Refused``."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._end_all,
        }

    def _begin(self) -> None:
        self._header = bytearray()
        self._value = bytearray()
        self._head_bytes = 0
        self._disposition = b""
        self._name = ""
        self._is_file = False
        self._content: list[bytes] = []
        self._length = 0

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._count_head(end - start)
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_head(end - start)
        self._value += data[start:end]

    def _count_head(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > MOST_HEAD_BYTES:
            raise Refused(400, f"the form cannot be read: the head of a part is longer than {MOST_HEAD_BYTES} bytes")

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = _text(options.get(b"name", b""))
        self._is_file = b"filename" in options
        if not self._name:
            raise Refused(400, "the form cannot be read: a part has no name")
        if self._is_file and self._name != "picture":
            raise Refused(400, f"{self._name[:40]!r}: is sent as a file; only picture is one")
        if not self._is_file and self._name == "picture":
            raise Refused(400, "picture: send it as a file (curl: -F picture=@FILE); no path or URL is read")
        self._num_fields += not self._is_file
        if len(self.pictures) + self._is_file > MOST_PICTURES or self._num_fields > MOST_FIELDS:
            raise Refused(400, f"a form has at most {MOST_PICTURES} pictures and {MOST_FIELDS} other fields; send less")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._length += end - start
        if not self._is_file and self._length > MOST_FIELD_BYTES:
            raise Refused(400, f"{self._name[:40]!r}: is longer than {MOST_FIELD_BYTES} bytes")
        self._content.append(data[start:end])

    def _end(self) -> None:
        content = b"".join(self._content)
        if self._is_file:
            self.pictures.append(content)
        else:
            self.fields.setdefault(self._name, []).append(_text(content))
        self._content = []

    def _end_all(self) -> None:
        self.ended = True


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused(400, "the form cannot be read: a name or text in it is no UTF-8") from None
