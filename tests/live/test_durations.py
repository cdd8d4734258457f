"""Spans and moments as people write them."""

import pytest

from personsearch.errors import ConfigError
from personsearch.live.durations import moment_of, span_of, span_text


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("12h", 43200), ("7d", 604800), ("2w", 1209600), ("0.5h", 1800)]
)
def test_spans(text: str, seconds: float) -> None:
    assert span_of(text, "--keep") == seconds


@pytest.mark.parametrize("text", ["", "7", "7 days", "0d", "-1d", "1e3s", "d", "7y"])
def test_what_is_no_span_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--keep .*: must be a number above 0 and a unit"):
        span_of(text, "--keep")


@pytest.mark.parametrize(("seconds", "text"), [(604800, "1w"), (86400, "1d"), (5400, "90m"), (0.25, "0.25s")])
def test_spans_are_written_in_their_largest_unit(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


@pytest.mark.parametrize(
    "text", ["2023-11-14T22:13:20Z", "2023-11-14 22:13:20", "2023-11-15T00:13:20+02:00", "1700000000"]
)
def test_moments(text: str) -> None:
    assert moment_of(text, "--start") == 1_700_000_000


def test_what_is_no_moment_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="--start 'noon': must be a date and time"):
        moment_of("noon", "--start")
