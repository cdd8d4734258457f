"""Spans and moments as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from personsearch.errors import ConfigError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")


def span_of(text: str, option: str) -> float:
    """Return the seconds of a span of time: a number with a unit, s, m, h, d or w.

    Args:
        text: as written.
        option: for the message.

    Raises:
        ConfigError: it is no such span, or nothing.

    Example:
        >>> span_of("7d", "--keep"), span_of("1.5m", "--quiet")
        (604800.0, 90.0)
    """
    found = _SPAN.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if seconds <= 0:
        raise ConfigError(f"{option} {text!r}: must be a number above 0 and a unit: 90s, 15m, 12h, 7d or 2w")
    return seconds


def span_text(seconds: float) -> str:
    """Write a span of time in its largest whole unit.

    Example:
        >>> span_text(604800), span_text(5400), span_text(2.5)
        ('1w', '90m', '2.5s')
    """
    for unit, size in reversed(_SECONDS.items()):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.3g}s"


def moment_of(text: str, option: str) -> float:
    """Return a moment in seconds since 1970: a number, or a date and time; UTC where no zone is given.

    Args:
        text: as written.
        option: for the message.

    Raises:
        ConfigError: it is no moment.

    Example:
        >>> moment_of("2026-11-27T04:10:05Z", "--start"), moment_of("1700000000", "--start")
        (1795752605.0, 1700000000.0)
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{option} {text!r}: must be a date and time such as 2026-11-27T04:10:05Z, or seconds since 1970"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
