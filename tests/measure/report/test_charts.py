import re

import numpy as np

from personsearch.measure.report import charts
from personsearch.measure.report.charts import Series


def test_lines_take_their_colours_from_the_page() -> None:
    svg = charts.line_chart(
        [Series(row=row, x=[1, 2, 5], y=[0.1, 0.5, 1.0]) for row in range(6)],
        x_label="rank k",
        y_label="queries, %",
        title="<b> & more",
        x_log=True,
        x_ticks=(1, 2, 5),
        mark=(2, 50),
    )
    assert svg.startswith("<svg class='chart' role='img' aria-label=\"&lt;b&gt; &amp; more\"")
    assert not re.findall(r"stroke: #|fill: #(?!ffffff)", svg)
    for colour, *_ in charts.ROWS:
        assert charts.VARIABLES[colour] in svg
    for text in ("rank k", "queries, %", ">1<", ">2<", ">5<"):
        assert text in svg
    assert "<script" not in svg
    assert "<style" not in svg


def test_a_histogram_is_drawn_even_where_one_kind_has_no_pairs() -> None:
    edges = np.linspace(-1, 1, 5)
    svg = charts.histogram(
        np.zeros(4, int), np.array([1, 2, 3, 4]), edges, x_label="similarity", title="Similarity of pairs"
    )
    assert "share of the pairs, %" in svg
    assert charts.VARIABLES[charts.OTHER] in svg


def test_the_same_chart_has_the_same_text() -> None:
    def draw() -> str:
        return charts.line_chart([Series(row=0, x=[0, 1], y=[0, 1])], x_label="x", y_label="y", title="t")

    assert draw() == draw()
