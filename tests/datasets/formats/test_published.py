import pytest

from personsearch.datasets.formats.published import PUBLISHED, checked_name, differences
from personsearch.errors import DatasetError


def test_the_official_set_keeps_its_name() -> None:
    counted = dict(PUBLISHED["cuhk-sysu/test"])
    assert differences("cuhk-sysu/test", counted) == []
    assert checked_name("cuhk-sysu/test", "cuhk-sysu/G50", "mine", {"images": 6978}, counted, True) == "cuhk-sysu/G50"


def test_other_counts_are_an_error_or_in_the_name() -> None:
    counted = {"images": 6978, "boxes": 40870}
    with pytest.raises(DatasetError, match="boxes: expected 40,871, found 40,870"):
        checked_name("cuhk-sysu/test", "cuhk-sysu/all", "mine", {"images": 6978}, counted, True)
    name = checked_name("cuhk-sysu/test", "cuhk-sysu/all", "mine", {"images": 6978}, counted, False)
    assert name == "cuhk-sysu/all (other counts)"


def test_other_sets_in_the_layout_carry_their_own_name() -> None:
    counted = {"images": 12, "boxes": 50}
    assert checked_name("prw/train", "prw/train", "mine", {"images": 12}, counted, True) == "mine/train"
    assert checked_name("prw/train", "prw/train", "prw", {"images": 12}, counted, True) == "other-prw/train"


def test_one_official_list_is_enough_to_require_all_counts() -> None:
    with pytest.raises(DatasetError, match="images: expected 5,704, found 5,700"):
        checked_name("prw/train", "prw/train", "mine", {"images": 5700, "identities": 483}, {"images": 5700}, True)
