from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from personsearch.datasets.dataset import Problem
from personsearch.datasets.formats.ledger import Ledger, ProblemError
from personsearch.datasets.formats.people import corners_in, people_of, scene_size

numbers = st.one_of(st.floats(-50, 150), st.sampled_from([float("nan"), float("inf"), 0.0, 100.0]))
rows = st.lists(st.tuples(numbers, numbers, numbers, numbers, st.integers(-1, 3), st.booleans()), max_size=8)


@given(rows)
def test_every_row_is_kept_or_listed(rows: list[tuple[float, float, float, float, int, bool]]) -> None:
    ledger = Ledger()
    ledger.read(len(rows))
    table = np.array([row[:4] for row in rows], dtype=np.float64).reshape(-1, 4)
    boxes, identities, ignore, repeated = people_of(
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
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    labels = identities[identities >= 0].tolist()
    assert len(set(labels)) == len(labels)
    assert (identities[ignore] == -1).all()
    kept = [number for number in range(len(rows)) if str(number) not in {problem.row for problem in ledger.problems}]
    assert (identities[[row for row, _ in repeated]] == -1).all()
    asked = [rows[n][4] if not rows[n][5] else -1 for n in kept]
    assert repeated == tuple((row, one) for row, one in enumerate(asked) if one >= 0 and one in asked[:row])
    # Everyone with a label among the kept boxes that count still has it, once.
    assert set(labels) == {rows[n][4] for n in kept if rows[n][4] >= 0 and not rows[n][5]}


def test_corners_are_computed_before_they_are_clipped() -> None:
    # Clipping x to 0 first would shift the box: [0, 10, 20, 50].
    assert corners_in(np.array([-5, 10, 20, 40]), (100, 80)).tolist() == [0, 10, 15, 50]
    with pytest.raises(ValueError, match=r"has no area inside the 100x80 image"):
        corners_in(np.array([100, 10, 20, 40]), (100, 80))
    with pytest.raises(ValueError, match="four finite numbers"):
        corners_in(np.array([np.nan, 10, 20, 40]), (100, 80))


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0.0, 0.0, 2.0, 1e-180), "has no area"),
        ((90.0, 10.0, 1e-7, 20.0), "has no area"),  # 90.0000001 is 90 in float32
        (
            (0.2, 0.1, 0.5, 0.9),
            r"fractions of the image \(0 to 1\); give pixels: .* by 100, y and height by 80",
        ),
        ((0.0, 0.0, 1.0, 1.0), "looks like fractions"),
    ],
)
def test_boxes_of_which_nothing_is_left(box: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        corners_in(np.array(box), (100, 80))
    ledger = Ledger()
    nobody, nothing = np.array([-1]), np.array([False])
    assert not len(people_of(ledger, "f", str, np.array([box]), nobody, nothing, (100, 80))[0])
    assert len(ledger.problems) == 1
    assert corners_in(np.array([0.5, 0.5, 1.5, 2.0]), (100, 80)).tolist() == [0.5, 0.5, 2, 2.5]
    assert corners_in(np.array([0.0, 0.0, 1.0, 1.0]), (1, 1)).tolist() == [0, 0, 1, 1]


def test_sizes_are_of_the_upright_image_and_problems_name_the_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("L", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert scene_size(tmp_path / "a.jpg") == (20, 30)
    with pytest.raises(ProblemError) as raised:
        scene_size(tmp_path / "c.jpg")
    assert raised.value.problem == Problem(file=str(tmp_path / "c.jpg"), row="", what="no such file")
    (tmp_path / "d.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:20])
    with pytest.raises(ProblemError, match=r"d\.jpg: cannot be read as an image"):
        scene_size(tmp_path / "d.jpg")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_of_the_pixels_as_stored_need_a_picture_that_is_not_turned(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.new("L", (30, 20)).save(path, exif=exif)
    if orientation == 1:
        assert scene_size(path, boxes_as_stored=True) == (30, 20)
        return
    with pytest.raises(ProblemError, match=rf"a\.jpg: EXIF turns this picture \(orientation {orientation}\), but its"):
        scene_size(path, boxes_as_stored=True)
