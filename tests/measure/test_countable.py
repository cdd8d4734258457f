"""Whatever a set is: an evaluation ends in figures that are valid JSON, or in an error before the network runs."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch import Detections
from personsearch.datasets import Dataset
from personsearch.errors import ConfigError, DatasetError
from personsearch.evaluation.observations import Observations
from personsearch.measure import run
from personsearch.measure.countable import counted_text
from personsearch.measure.report.contents import details_of
from personsearch.measure.run import Plan, run_evaluation
from personsearch.plain import finite_or_none
from tests.evaluation.test_counting import KINDS, poorer
from tests.evaluation.worlds import seeds

NAME = "toy weights"


@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 9)), st.integers(0, 9))
def test_counts_in_words_add_up(left_out: dict[str, int], counted: int) -> None:
    text = counted_text(counted, left_out)
    first, _, asked = text.split()[:3]
    assert int(first) == counted
    assert int(asked) == counted + sum(left_out.values())
    assert all(f"{count} left out: {why}" in text for why, count in left_out.items())


def seen(data: Dataset, detections: dict[str, Detections], embeddings: np.ndarray) -> Observations:
    """Return the detections of a world with made-up embeddings of its annotated boxes and queries."""
    dim = embeddings.shape[1]
    axis = np.eye(1, dim, dtype=np.float32)
    nobody = Detections(
        boxes=np.zeros((0, 4), np.float32),
        scores=np.zeros(0, np.float32),
        embeddings=np.zeros((0, dim), np.float32),
        image_size=(100, 100),
    )
    boxes = {scene.image_id: [*scene.boxes] for scene in data.scenes}
    for query in data.queries:
        boxes[query.image_id].append(query.box)
    return Observations(
        weights="f" * 64,
        detections={scene.image_id: detections.get(scene.image_id, nobody) for scene in data.scenes},
        boxes={name: np.array(rows, np.float32).reshape(-1, 4) for name, rows in boxes.items()},
        embeddings={name: np.repeat(axis, len(rows), axis=0) for name, rows in boxes.items()},
        seconds=1.0,
    )


@given(
    seed=seeds(),
    kinds=st.fixed_dictionaries(KINDS),
    queries=st.booleans(),
    plan=st.builds(
        Plan,
        presets=st.sampled_from([("standard",), ("strict", "alignps"), ("stl-author",), ("cross-camera-junk",)]),
        truth=st.booleans(),
        reid=st.booleans(),
        coco=st.booleans(),
        calibrate=st.booleans(),
        open_set=st.booleans(),
    ),
)
@settings(max_examples=60, deadline=None)
def test_an_evaluation_is_valid_json_and_names_what_it_lacks(
    seed: int, kinds: dict[str, bool], queries: bool, plan: Plan
) -> None:
    data, detections, embeddings = poorer(seed, **kinds)
    data = data if queries else replace(data, queries=())
    observed = seen(data, detections, embeddings)

    def look(*_: Any, **__: Any) -> Observations:
        return observed

    searcher: Any = SimpleNamespace(spec=SimpleNamespace(name=NAME))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "observe", look)
        try:
            plan.check(data)
        except (ConfigError, DatasetError):
            return  # before the network runs
        done = run_evaluation(searcher, data, plan, progress=False)
    details = details_of(done, best=1, worst=1, scenes=1)
    told = json.loads(json.dumps({**done.to_dict(), "details": finite_or_none(details.to_dict())}, allow_nan=False))
    unmeasured = [
        math.isnan(one.detection.recall) or (one.search is not None and not one.search.queries) for one in done.firsts
    ]
    no_reid = plan.reid and not any(result.queries for result in done.reid.values())
    no_calibration = plan.calibrate and done.calibration is None
    assert bool(told["missing"]) == (any(unmeasured) or no_reid or no_calibration)
    for one in told["reports"]:
        assert one["queries"] == len(data.queries)
        if queries:
            assert one["queries"] == one["queries_counted"] + sum(one["queries_left_out"].values())
