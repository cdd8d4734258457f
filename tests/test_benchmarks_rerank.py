"""The benchmarks of re-ranking and calibration print what the functions that they measure return."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.calibration import tables
from benchmarks.rerank import measure, table
from personsearch.datasets import Query
from personsearch.evaluation import PRESETS, evaluate_search
from personsearch.evaluation.fit_calibration import fit_calibration
from personsearch.evaluation.rerank import RERANKERS
from tests.evaluation.sphere import people_on_a_sphere


def test_every_method_has_its_row_and_the_first_is_the_plain_search() -> None:
    data, observed = people_on_a_sphere(0, identities=6, scenes_each=4)
    data = replace(data, scenes=tuple(replace(s, camera=f"c{n % 2}") for n, s in enumerate(data.scenes)))
    scenes = data.scenes[::4]
    queries = tuple(Query(image_id=s.image_id, box=s.boxes[0], identity=int(s.identities[0])) for s in scenes)
    data = replace(data, queries=queries)
    rows = measure(observed, data, PRESETS["standard"])
    assert [row.method for row in rows] == ["none", *RERANKERS]
    plain = evaluate_search(observed.detections, data, observed.queries(data))
    assert rows[0].mean_average_precision == plain.mean_average_precision
    assert (rows[0].better, rows[0].worse) == (0, 0)
    assert all(row.better + row.worse <= 6 and row.memory > 0 for row in rows)
    assert f"| none | {100 * plain.mean_average_precision:.1f} | {100 * plain.top[1]:.1f} | 0 / 0 |" in table(rows)
    text = tables(fit_calibration(observed, data), observed, data)
    assert "| false-match rate, promised |" in text
    assert text.count("too few trials (6)") == 3


@pytest.mark.parametrize("name", RERANKERS)
def test_every_method_is_described(name: str) -> None:
    text = (Path(__file__).parents[1] / "docs/re-ranking.md").read_text()
    assert text.count(f"| {name} |") == 1
    assert text.count(f"| `{name}` |") == 1
