import contextlib
import csv
import io
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.errors import ImageError
from personsearch.sidecar import read_sidecar

PLAIN = "image_id,camera,time\na.jpg,c1,2.5\nb.jpg,,\nsub/c.jpg,c2,\n"


def written(folder: Path, data: str | bytes) -> Path:
    path = folder / "side.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " , "),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\n\n"),
        "\n" + PLAIN,
        PLAIN.replace("image_id,camera,time", " Image_ID , CAMERA,Time "),
        PLAIN.replace("a.jpg", '"a.jpg"'),
        PLAIN.replace("sub/c.jpg", ".\\sub\\c.jpg"),
        PLAIN.replace("a.jpg", "./a.jpg"),
        PLAIN.encode("utf-16"),
        PLAIN.rstrip("\n"),
    ],
    ids=[
        *("plain", "bom", "semicolon", "tab", "blanks", "crlf", "blank lines", "blank first", "case", "quoted"),
        *("backslash", "dot slash", "utf-16", "no newline"),
    ],
)
def test_however_a_table_is_written_it_says_the_same(data: str | bytes, tmp_path: Path) -> None:
    found = read_sidecar(written(tmp_path, data))
    assert found.cameras == {"a.jpg": "c1", "sub/c.jpg": "c2"}
    assert found.times == {"a.jpg": 2.5}
    assert (found.rows, found.empty) == (3, 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("image_id,camera,time\na.jpg,c1,noon\n", "line 2: time 'noon' is not a number of seconds"),
        ("image_id,camera,time\na.jpg,c1,1e400\n", "line 2: time '1e400' is not a number"),
        ("image_id,camera,time\na.jpg,c1,nan\n", "line 2: time 'nan' is not a number"),
        ("image_id;time\na.jpg;12,5\n", "line 2: time '12,5' is not a number of seconds, such as 12.5"),
        ("a.jpg,c1,3\n", "must name the columns image_id,camera,time; it holds 'a.jpg', 'c1', '3'"),
        ("image_id,cam\na.jpg,c1\n", "must name the columns"),
        ("", "it holds nothing"),
        ("image_id,camera\n,c1\n", "line 2: has no image_id"),
        (
            "image_id,camera\na,b.jpg,c1\n",
            "line 2: has 3 cells, the first line 2; a name that holds the delimiter needs",
        ),
        ("image_id,camera\na.jpg,c1\nb.jpg,c1\na.jpg,c2\n", "line 4: 'a.jpg' stands in line 2 already"),
        ("image_id,camera,camera\na.jpg,c1,c2\n", "names the column 'camera' twice"),
        ('image_id,camera\n"a.jpg,c1\n', "is not csv"),
        (b"image_id,camera\n\xff\xe4.jpg,c1\n", "is not UTF-8 text"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(data: str | bytes, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    with pytest.raises(ImageError, match=message) as caught:
        read_sidecar(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        read_sidecar(tmp_path / "none.csv")
    with pytest.raises(ImageError, match="cannot be read"):
        read_sidecar(tmp_path)


def test_columns_and_rows_that_say_nothing_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "personsearch"):
        read_sidecar(written(tmp_path, "image_id,camera,timestamp\na.jpg,c1,3\nb.jpg,,4\n"))
    assert "not used: the columns 'timestamp'; only image_id, camera and time are" in caplog.text
    assert "1 of 2 rows give neither camera nor time" in caplog.text


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=6)
ROWS = st.lists(
    st.tuples(CELL, CELL, st.one_of(CELL, st.floats(allow_nan=False, allow_infinity=False).map(str))), max_size=6
)


@settings(deadline=None, max_examples=150)
@given(rows=ROWS, delimiter=st.sampled_from(",;\t|"), bom=st.booleans())
def test_every_row_is_kept_or_the_line_is_named(
    rows: list[tuple[str, str, str]], delimiter: str, bom: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([("image_id", "camera", "time"), *rows])
    path = tmp_path_factory.mktemp("side") / "s.csv"
    path.write_bytes(("\ufeff" * bom + text.getvalue()).encode())
    found = None
    with contextlib.suppress(ImageError):
        found = read_sidecar(path)
    if found is None:
        with pytest.raises(ImageError, match=r": line [0-9]+: "):
            read_sidecar(path)
        return
    assert found.rows == sum(any(cell.strip() for cell in row) for row in rows)
    assert found.rows == len(found.cameras.keys() | found.times.keys()) + found.empty


@settings(deadline=None, max_examples=150)
@given(data=st.binary(max_size=80))
def test_any_bytes_are_a_sidecar_or_an_error(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("side") / "s.csv"
    path.write_bytes(data)
    with pytest.raises(ImageError):
        read_sidecar(path)
