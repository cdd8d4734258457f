import math
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.datasets.formats.values import LARGEST, float_of, identity_of, is_number, key_of, short, whole, yes_no

HUGE = 10**400
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(HUGE),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["true", " No ", "1", "7.0", "1_0", "-1", "nan", "1e400", "\uff19"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@pytest.mark.parametrize("value", [True, 1, 1.0, "true", "True", "YES", "y", "on", "1", " t "])
def test_what_counts_as_yes(value: object) -> None:
    assert yes_no(value, "ignore") is True


@pytest.mark.parametrize("value", [False, 0, 0.0, None, "", "false", "False", "no", "N", "off", "0", " null ", "None"])
def test_what_counts_as_no(value: object) -> None:
    assert yes_no(value, "ignore") is False


@pytest.mark.parametrize("value", ["maybe", 2, -1, 0.5, math.nan, [], {}, "10"])
def test_everything_else_is_neither(value: object) -> None:
    with pytest.raises(ValueError, match="iscrowd must be true or false, got "):
        yes_no(value, "iscrowd")


@pytest.mark.parametrize(
    ("value", "identity"),
    [(3, 3), (3.0, 3), ("3", 3), (" 3.0 ", 3), ("+3", 3), (-1, -1), ("-1.0", -1), (None, -1), ("", -1), (LARGEST,) * 2],
)
def test_identities(value: object, identity: int) -> None:
    assert identity_of(value) == identity


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3.5, "person_id must be a whole number, got 3.5"),
        (True, "must be a whole number, got True"),
        ("P007", "must be a whole number, got 'P007'"),
        ("1_0", "must be a whole number"),
        (math.nan, "must be a whole number, got nan"),
        (math.inf, "must be a whole number, got inf"),
        ([3], "must be a whole number"),
        (-2, r"must be -1 or more \(-1 = a person without a label\), got -2"),
        (LARGEST + 1, "person_id 9223372036854775808 is too large; number people from 0"),
        (1e30, "is too large"),
        ("9" * 30, "is too large"),
        (HUGE, "is too large"),
        ("9" * 5000, "must be a whole number, got '999"),
    ],
)
def test_identities_that_cannot_be(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        identity_of(value)
    assert len(str(raised.value)) < 200


@given(anything)
def test_any_value_is_read_or_refused(value: object) -> None:
    for read in (yes_no, identity_of):
        with suppress(ValueError):
            assert read(value, "field") >= -1
    number = whole(value)
    assert number is None or isinstance(number, int)
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    assert is_number(value) == (is_one and abs(value) <= sys.float_info.max)
    assert key_of(value)
    assert len(short(value)) <= 60


def test_one_id_however_it_is_written() -> None:
    assert {key_of(value) for value in (7, 7.0, "7", " 7 ", "7.0")} == {"7"}
    assert len({key_of(value) for value in (7, "7a", True, None, "None", [7])}) == 6


def test_numbers_in_text_files() -> None:
    assert [float_of(text) for text in ("3", " 3.5 ", ".5", "-1e2", "+0")] == [3, 3.5, 0.5, -100, 0]
    assert math.isnan(float_of("NaN"))
    assert math.isinf(float_of("1e400"))
    for text in ("", "3,5", "1_0", "0x1", "\uff13"):
        with pytest.raises(ValueError, match="expected a number, got"):
            float_of(text)
