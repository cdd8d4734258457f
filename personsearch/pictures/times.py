"""Times as people read them. A time is seconds on the clock of the scenes: since 1970, or since a video began."""

from __future__ import annotations

import math
from datetime import UTC, datetime

#: Seconds from here on are taken as those since 1970 (this is March 1973): no video is three years long.
SINCE_1970 = 1e8
#: Seconds from here on are no date: this is the year 5138.
_NO_DATE = 1e11


def is_date(seconds: float) -> bool:
    """Whether a time looks like seconds since 1970, so that it is written as a date."""
    return SINCE_1970 <= seconds < _NO_DATE


def time_text(seconds: float) -> str:
    """Write a time: as date and time (UTC) where it looks like seconds since 1970, else as hours, minutes, seconds.

    Args:
        seconds: any number; what is less than a second is left out.

    Example:
        >>> time_text(3725.9), time_text(1_700_000_000)
        ('1:02:05', '2023-11-14 22:13:20')
    """
    if is_date(seconds):
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S")
    if not math.isfinite(seconds):
        return f"{seconds:g}"
    whole = int(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def span_text(first: float | None, last: float | None) -> str:
    """Write from when to when; a date that is the same stands once, and nothing is written where no time is known.

    Example:
        >>> span_text(3, 75), span_text(1_700_000_000, 1_700_000_060), span_text(5, 5)
        ('0:00:03 to 0:01:15', '2023-11-14 22:13:20 to 22:14:20', '0:00:05')
    """
    known = [time_text(seconds) for seconds in (first, last) if seconds is not None]
    if not known:
        return ""
    begin, end = known[0], known[-1]
    if begin == end:
        return begin
    day, _, _ = begin.rpartition(" ")
    return f"{begin} to {end.removeprefix(f'{day} ') if day else end}"
