import json
import math

from hypothesis import given
from hypothesis import strategies as st

from personsearch.plain import finite_or_none

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_figures_that_are_no_numbers_are_none() -> None:
    given = {"mAP": math.nan, "top": (1.0, math.inf), "names": ["nan"], "on": True, "deep": {"low": [-math.inf, 2]}}
    assert finite_or_none(given) == {
        "mAP": None,
        "top": [1.0, None],
        "names": ["nan"],
        "on": True,
        "deep": {"low": [None, 2]},
    }


@given(PLAIN)
def test_whatever_the_data_it_is_json_without_nan(value: object) -> None:
    assert json.loads(json.dumps(finite_or_none(value), allow_nan=False)) == finite_or_none(value)
