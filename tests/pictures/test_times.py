import pytest

from personsearch.pictures.times import is_date, span_text, time_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00:00"),
        (59.999, "0:00:59"),
        (3600, "1:00:00"),
        (90061, "25:01:01"),
        (-0.5, "0:00:00"),
        (-61, "-0:01:01"),
        (99_999_999, "27777:46:39"),
        (1e8, "1973-03-03 09:46:40"),
        (1_700_000_000.9, "2023-11-14 22:13:20"),
        (float("inf"), "inf"),
        (1.7e12, "472222222:13:20"),  # milliseconds: no date, and no error
    ],
)
def test_a_time_is_a_date_only_where_it_looks_like_one(seconds: float, text: str) -> None:
    assert time_text(seconds) == text
    assert is_date(seconds) == ("-" in text[1:])


def test_a_span_says_once_what_is_the_same() -> None:
    day = 1_700_000_000
    assert span_text(None, None) == ""
    assert span_text(None, 5) == span_text(5, None) == span_text(5.1, 5.9) == "0:00:05"
    assert span_text(5, 65) == "0:00:05 to 0:01:05"
    assert span_text(day, day + 1) == "2023-11-14 22:13:20 to 22:13:21"
    assert span_text(day, day + 86400) == "2023-11-14 22:13:20 to 2023-11-15 22:13:20"
