from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.people import corners_in, image_size, people_of
from personsearch.errors import DatasetError

numbers = st.one_of(st.floats(-50, 150), st.sampled_from([float("nan"), float("inf"), 0.0, 100.0]))
rows = st.lists(st.tuples(numbers, numbers, numbers, numbers, st.integers(-1, 3), st.booleans()), max_size=8)


@given(rows)
def test_every_row_is_kept_or_named(rows: list[tuple[float, float, float, float, int, bool]]) -> None:
    ledger = Ledger()
    ledger.read(len(rows))
    table = np.array([row[:4] for row in rows], dtype=np.float64).reshape(-1, 4)
    boxes, identities, ignore = people_of(
        ledger,
        "f",
        str,
        table,
        np.array([row[4] for row in rows], dtype=np.int64),
        np.array([row[5] for row in rows], dtype=bool),
        (100, 80),
    )
    assert len(boxes) == len(identities) == len(ignore) == len(rows) - len(ledger.problems)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [100, 80]).all()
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    labels = identities[identities >= 0].tolist()
    assert len(set(labels)) == len(labels)
    assert (identities[ignore] == -1).all()
    kept = [number for number in range(len(rows)) if str(number) not in {problem.row for problem in ledger.problems}]
    # Whoever has a label among the kept and counted boxes still has it once.
    assert set(labels) == {rows[n][4] for n in kept if rows[n][4] >= 0 and not rows[n][5]}


def test_corners_are_built_before_they_are_clipped() -> None:
    # Clipping x to 0 first would shift the box: [0, 10, 20, 50].
    assert corners_in(np.array([-5, 10, 20, 40]), (100, 80)).tolist() == [0, 10, 15, 50]
    with pytest.raises(ValueError, match=r"has no area inside the 100x80 image"):
        corners_in(np.array([100, 10, 20, 40]), (100, 80))
    with pytest.raises(ValueError, match="four finite numbers"):
        corners_in(np.array([np.nan, 10, 20, 40]), (100, 80))


def test_sizes_are_of_the_upright_image(tmp_path: Path) -> None:
    picture = Image.new("L", (30, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    picture.save(tmp_path / "a.jpg", exif=exif)
    picture.save(tmp_path / "b.png")
    assert image_size(tmp_path / "a.jpg") == (20, 30)
    assert image_size(tmp_path / "b.png") == (30, 20)
    with pytest.raises(ProblemError, match=r"c\.jpg: no such image"):
        image_size(tmp_path / "c.jpg")
    (tmp_path / "d.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:20])
    with pytest.raises(ProblemError, match=r"d\.jpg: is not a readable image"):
        image_size(tmp_path / "d.jpg")


def test_one_error_tells_of_all_problems() -> None:
    ledger = Ledger()
    ledger.bad_row("f.txt", "line 3", "bad")
    with pytest.raises(DatasetError, match=r"^f\.txt: line 3: bad\. Correct it, or pass over it with skip_bad"):
        ledger.close([], skip_bad=False)
    for number in range(6):
        ledger.bad_file("g.txt", f"worse {number}")
    with pytest.raises(DatasetError) as raised:
        ledger.close([], skip_bad=False)
    assert str(raised.value).splitlines() == [
        "7 rows or files cannot be used:",
        "  f.txt: line 3: bad",
        *(f"  g.txt: worse {number}" for number in range(4)),
        "  ... and 2 more",
        "Correct them, or pass over them with skip_bad (--skip-bad)",
    ]
    assert len(ledger.close([], skip_bad=True).skipped) == 7
