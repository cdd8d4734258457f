"""What engines share."""

from __future__ import annotations

import sys

from hypothesis import example, given
from hypothesis import strategies as st

from personsearch.gallery.stores.engine import after_prefix

LAST = chr(sys.maxunicode)


def test_the_first_text_after_a_prefix() -> None:
    assert after_prefix("") is None
    assert after_prefix("ab") == "ac"
    assert after_prefix("a\ud7ff") == "a\ue000"  # between them are no characters
    assert after_prefix("a" + LAST + LAST) == "b"
    assert after_prefix(LAST) is None


@given(st.text(max_size=3), st.text(max_size=4), st.booleans())
@example("a" + LAST, "a", True)
def test_a_text_is_in_the_range_of_a_prefix_if_it_begins_so(prefix: str, text: str, joined: bool) -> None:
    text = prefix + text if joined else text
    end = after_prefix(prefix)
    assert (text >= prefix and (end is None or text < end)) == text.startswith(prefix)
    assert sorted([text, prefix]) == sorted([text, prefix], key=str.encode)  # as engines compare them
