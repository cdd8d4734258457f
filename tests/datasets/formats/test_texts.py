import json
from pathlib import Path

import pytest

from personsearch.datasets.formats.texts import children_of, is_file, json_object, lines_of
from personsearch.errors import DatasetError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_of_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"name": "Zoë"}, ensure_ascii=False), encoding=encoding)
    assert json_object(path) == {"name": "Zoë"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "must hold a JSON object, not list"),
        (b'{"a": "\xff"}', r"is not text \(invalid start byte\); save it as JSON in UTF-8"),
        (b'{"a": ' + b"[" * 100_000, "not usable JSON: lists within lists"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON: Exceeds the limit"),
    ],
)
def test_files_that_are_no_json_object(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"a\.json: {message}"):
        json_object(tmp_path / "a.json")
    with pytest.raises(DatasetError, match="cannot be read"):
        json_object(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_keep_their_numbers(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("one\r\n\r\n  \r\ntwo".encode(encoding))
    assert lines_of(path) == [(1, "one"), (4, "two")]


def test_folders_and_names_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    (tmp_path / "a").mkdir()
    assert [path.name for path in children_of(tmp_path)] == ["a", "b"]
    assert children_of(tmp_path / "none") == children_of(tmp_path / "b") == []
    assert is_file(tmp_path / "b")
    assert not any(is_file(tmp_path / name) for name in ("a", "none", "x" * 5000, "nul\0", "\ud800"))
