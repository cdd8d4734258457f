from pathlib import Path

import pytest

from personsearch.datasets.formats.options import ReadOptions, check_split
from personsearch.errors import DatasetError


def test_there_are_two_splits_and_only_test_has_queries() -> None:
    root = Path("set")
    check_split(root, "test", ReadOptions(queries="G50"))
    check_split(root, "train", ReadOptions())
    with pytest.raises(DatasetError, match=r"^set: has no split 'val'; choose train or test"):
        check_split(root, "val", ReadOptions())
    with pytest.raises(DatasetError, match=r"^set: the training split has no queries, so 'G50' cannot be read"):
        check_split(root, "train", ReadOptions(queries="G50"))
