"""The vectorised evaluator agrees with plain loops under every preset and every switch."""

from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.evaluation import PRESETS, Rules, evaluate_detection, evaluate_search
from tests.evaluation import reference
from tests.evaluation.worlds import seeds, world

SWITCHES = {key: get_args(hint) for key, hint in get_type_hints(Rules).items() if get_origin(hint) is Literal}


def agree(seed: int, lists: bool, rules: Rules) -> None:
    dataset, detections, embeddings = world(seed, lists=lists)
    result = evaluate_search(detections, dataset, embeddings, rules)
    precisions, first_ranks = reference.search(detections, dataset, embeddings, rules)
    np.testing.assert_allclose(result.average_precisions, precisions, atol=1e-12)
    np.testing.assert_array_equal(result.first_ranks, first_ranks)
    detected = evaluate_detection(detections, dataset.scenes, rules)
    expected = reference.detection(detections, dataset, rules)
    assert (detected.ap, detected.recall) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("preset", PRESETS)
@given(seed=seeds(), lists=st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_preset(preset: str, seed: int, lists: bool) -> None:
    rules = PRESETS[preset]
    agree(seed, lists, rules.changed(absent_person="zero") if rules.absent_person == "error" else rules)


@given(seed=seeds(), lists=st.booleans(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_every_combination_of_switches(seed: int, lists: bool, data: st.DataObject) -> None:
    switches = {key: data.draw(st.sampled_from(values), label=key) for key, values in SWITCHES.items()}
    if switches["absent_person"] == "error":
        switches["absent_person"] = "zero"
    numbers = {
        "iou_inclusive": data.draw(st.booleans()),
        "confidence_weighted": data.draw(st.booleans()),
        "junk_iou": data.draw(st.sampled_from([None, 0.3])),
        "score_threshold": data.draw(st.sampled_from([0.0, 0.25, 0.5])),
    }
    agree(seed, lists, PRESETS["standard"].changed(**switches, **numbers))
