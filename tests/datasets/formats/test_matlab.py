from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personsearch.datasets.formats.ledger import ProblemError
from personsearch.datasets.formats.matlab import box_of, read_mat, read_struct, text_of
from personsearch.datasets.formats.matlab_struct import StructReader
from tests.datasets.layouts import protocol, struct
from tests.support import SHARED

ASKED = [
    ("s3.jpg", (200, 10, 100, 80), [("s4.jpg", (10, 10, 300, 60)), ("s5.jpg", ())]),
    ("a-name-of-some-length.jpg", (60, 10, 30, 60), []),
    ("s4.jpg", (60, 10, 30, 60), [("s5.jpg", ())]),
]


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        same = one.shape == other.shape and one.dtype == other.dtype
        return same and all(equal(a, b) for a, b in zip(one.ravel(), other.ravel(), strict=True))
    if isinstance(one, np.void | list | tuple):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


@pytest.mark.parametrize("compressed", [False, True])
def test_elements_read_one_by_one_are_those_of_the_whole_file(tmp_path: Path, compressed: bool) -> None:
    from scipy.io import savemat

    path = tmp_path / "a.mat"
    savemat(path, {"TestG50": protocol(ASKED)}, do_compression=compressed)
    with StructReader.open(path) as reader:
        assert (reader.key, reader.length) == ("TestG50", 3)  # otherwise this would test the other way
    parts = list(read_struct(path, ("Other", "TestG50")))
    assert equal(parts, [list(element) for element in read_mat(path, ("TestG50",)).ravel()])
    assert text_of(parts[1][0][0, 0][0]) == "a-name-of-some-length.jpg"


def test_other_files_are_read_at_once(tmp_path: Path) -> None:
    from scipy.io import savemat

    path = tmp_path / "a.mat"
    savemat(path, {"before": 1, "list": struct(("x", "y"), [(1, 2), (3, 4)])})
    assert [int(element[1].item()) for element in read_struct(path, ("list",))] == [2, 4]
    savemat(path, {"list": struct(("x", "y"), [(1, 2)])})
    with pytest.raises(ProblemError, match=r"a\.mat: has no names; it holds list"):
        list(read_struct(path, ("names",)))
    with pytest.raises(ProblemError, match=r"b\.mat: no such file"):
        list(read_struct(tmp_path / "b.mat", ("list",)))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_anywhere_raises_the_same_error(tmp_path: Path, compressed: bool) -> None:
    from scipy.io import savemat

    path = tmp_path / "a.mat"
    savemat(path, {"TestG50": protocol(ASKED)}, do_compression=compressed)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 8, 29):
        path.write_bytes(whole[:size])
        with pytest.raises(ProblemError, match=r"a\.mat: (is not a readable \.mat file|has no TestG50)"):
            list(read_struct(path, ("TestG50",)))
    damaged = bytearray(whole)
    damaged[len(whole) // 2 :] = bytes(len(whole) - len(whole) // 2)
    path.write_bytes(damaged)
    with pytest.raises(ProblemError, match=r"a\.mat: is not a readable \.mat file"):
        list(read_struct(path, ("TestG50",)))


def test_matlab_7_3_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" + bytes(64))
    with pytest.raises(ProblemError, match=r"is a MATLAB 7\.3 file; save it with -v7"):
        read_mat(path, ("a",))


def test_cells() -> None:
    assert text_of(np.array([["a.jpg"]])) == "a.jpg"
    with pytest.raises(ValueError, match=r"expected a name, got array\(\[1, 2\]\)"):
        text_of(np.array([1, 2]))
    assert box_of(np.array([[200, 1, 100, 2]], dtype=np.uint8)).tolist() == [200, 1, 100, 2]
    assert box_of(np.array([200, 1, 100, 2], dtype=np.uint8)).dtype == np.float64
    with pytest.raises(ValueError, match="expected x, y, width, height"):
        box_of(np.array(["a", "b", "c", "d"]))


@pytest.mark.skipif(not (SHARED / "cuhk-sysu-protocol").exists(), reason="../shared/data/cuhk-sysu-protocol is absent")
def test_the_official_file_can_be_read_element_by_element() -> None:
    with StructReader.open(SHARED / "cuhk-sysu-protocol" / "TestG100.mat") as reader:
        assert (reader.key, reader.length) == ("TestG100", 2900)
