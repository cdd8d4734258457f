"""What one value in a file of annotations means: tools write numbers and booleans as texts, and texts as numbers."""

from __future__ import annotations

import math
import re

#: The largest identity that int64 holds.
LARGEST = 2**63 - 1

_YES = frozenset({"true", "yes", "y", "on", "t", "1", "1.0"})
_NO = frozenset({"false", "no", "n", "off", "f", "0", "0.0", "none", "null", ""})
# Python's int() and float() also take 1_000, which nobody means in a file of annotations.
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
_NUMBER = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE
)


def yes_no(value: object, name: str) -> bool:
    """Read a boolean, however a tool has written it: true, 1, "True", "yes", "on"; null and "" = no.

    Raises:
        ValueError: it is neither yes nor no; names the field.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _YES:
            return True
        if text in _NO:
            return False
    raise ValueError(f"{name} must be true or false, got {short(value)}")


def is_number(value: object) -> bool:
    """Whether a value of JSON is a finite number that float64 can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond float64
        return False


def float_of(text: str) -> float:
    """Read a number from a text file; "nan", "inf" and overflow pass, so that the caller can name the row.

    Raises:
        ValueError: it is no number.
    """
    if _NUMBER.fullmatch(text.strip()) is None:
        raise ValueError(f"expected a number, got {short(text)}")
    return float(text)


def whole(value: object) -> int | None:
    """Read a whole number from a number or a text ("3", "3.0"); None = it is none."""
    if isinstance(value, str):
        text = value.strip()
        if text.isdigit() and text.isascii() and len(text) < 20:  # the usual case, and quick
            return int(text)
        # More digits than float64 or int64 has are for the caller to refuse; thousands of them Python itself refuses.
        return int(text.partition(".")[0]) if len(text) < 400 and _WHOLE.fullmatch(text) else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def identity_of(value: object, name: str = "person_id") -> int:
    """Read an identity: -1 or more; null and "" = -1, a person without a label.

    Raises:
        ValueError: it is none, or int64 cannot hold it; names the field.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return -1
    identity = whole(value)
    if identity is None:
        raise ValueError(f"{name} must be a whole number, got {short(value)}")
    if identity < -1:
        raise ValueError(f"{name} must be -1 or more (-1 = a person without a label), got {short(identity)}")
    if identity > LARGEST:
        raise ValueError(f"{name} {short(identity)} is too large; number people from 0 (at most {LARGEST})")
    return identity


def key_of(value: object) -> str:
    """Return what ids are compared by: 7, 7.0 and "7" are one id, as one tool writes numbers and the next texts."""
    number = whole(value)
    return repr(value) if number is None else str(number)


def short(value: object) -> str:
    """Write a value for a message."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
