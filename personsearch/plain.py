"""Plain data for JSON, which knows neither NaN nor infinity; and numbers in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def finite_or_none(value: Any) -> Any:
    """Return dictionaries, lists and numbers with None for every float that is not finite.

    A figure that counted nothing is NaN; in JSON it is null.

    Args:
        value: plain data; tuples become lists.
    """
    if isinstance(value, Mapping):
        return {key: finite_or_none(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_or_none(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def counted(count: int, one: str, several: str | None = None) -> str:
    """Write a number with its noun: ``1 scene``, ``2,000 scenes``, ``0 people``."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
