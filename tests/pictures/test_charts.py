"""Charts: numbers by hand, and files that show what was drawn."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor

from personsearch.errors import MissingExtraError
from personsearch.pictures.charts import (
    ACCENT,
    INK,
    SERIES,
    Line,
    add_legend,
    draw_cumulative,
    draw_outline,
    house_style,
    new_figure,
    percentages,
    save_png,
    svg_text,
    use_log_x,
    use_whole_numbers,
)

WIDE = Line(ACCENT, 6.0)


def test_percentages_by_hand() -> None:
    edges = np.array([0.0, 10.0, 20.0])
    assert percentages(np.array([1, 2, 3, 15]), edges).tolist() == [75, 25]
    assert percentages(np.array([-5, 99]), edges).tolist() == [50, 50]  # outside: in the outermost bins
    assert percentages(np.array([]), edges).tolist() == [0, 0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_percentages_add_up_to_all_numbers(numbers: list[float]) -> None:
    assert percentages(np.array(numbers), np.array([-10.0, 0.0, 3.0, 500.0])).sum() == pytest.approx(100)


def test_cumulative_steps_by_hand() -> None:
    with house_style("data"):
        _, (axes,) = new_figure((2, 2))
        line = draw_cumulative(axes, np.array([7, 3, 3, 10]), WIDE)
        empty = draw_cumulative(axes, np.array([]), WIDE)
    assert np.asarray(line.get_xdata()).tolist() == [3, 3, 7, 10]
    assert np.asarray(line.get_ydata()).tolist() == [0, 50, 75, 100]
    assert len(empty.get_xdata()) == 0


def test_axes_have_plain_numbers() -> None:
    with house_style("data"):
        _, (log, whole) = new_figure((8, 4), panels=2)
        log.plot([8, 3000], [0, 1])
        use_log_x(log)
        whole.plot([0, 2.2], [0, 1])
        use_whole_numbers(whole)
        low, high = log.get_xlim()
        ticks = [label.get_text() for label in log.get_xticklabels() if low <= label.get_position()[0] <= high]
        assert all(float(tick).is_integer() for tick in whole.get_xticks())
    assert ticks == ["10", "20", "50", "100", "200", "500", "1,000", "2,000"]


def test_a_png_of_the_asked_size_in_the_asked_colour(tmp_path: Path) -> None:
    with house_style("data"):
        figure, (axes,) = new_figure((2, 1.5), title="50% $ of_all", dots_per_inch=100)
        draw_outline(axes, np.array([10.0, 30.0]), np.array([0.0, 1.0, 2.0]), WIDE)
        path = save_png(figure, tmp_path / "new" / "a.png")
        again = save_png(figure, tmp_path / "b.png")
    with Image.open(path) as image:
        assert image.size == (200, 150)
        pixels = np.asarray(image.convert("RGB"))
    assert (pixels == ImageColor.getrgb(ACCENT)).all(axis=2).sum() > 300
    assert pixels[0, -1].tolist() == [255, 255, 255]
    assert path.read_bytes() == again.read_bytes()


def test_legends_take_any_text() -> None:
    texts = ["_private", "costs $5 or $6"]
    with house_style("data"):
        _, (axes,) = new_figure((4, 3))
        handles = [axes.plot([0, 1], color=line.colour)[0] for line in SERIES[:2]]
        add_legend(axes, handles, texts)
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == texts
    assert not any(text.get_parse_math() for text in legend.get_texts())


def test_an_svg_belongs_to_its_page() -> None:
    with house_style("evaluate"):
        figure, (axes,) = new_figure((4, 3))
        axes.plot([0, 1], color=ACCENT)
        axes.set_xlabel("similarity")
        text = svg_text(figure, 'a "title" <1>', {ACCENT: "var(--accent)", INK: "var(--ink)"})
    svg = ET.fromstring(text)  # noqa: S314 - our own
    assert svg.attrib["aria-label"] == 'a "title" <1>'
    assert "width" not in svg.attrib
    assert "height" not in svg.attrib
    assert "var(--accent)" in text
    assert ACCENT not in text
    assert "similarity" in text  # as text, not as outlines
    assert "<style" not in text


def test_the_style_ends_with_its_block() -> None:
    from matplotlib import rcParams

    before = dict(rcParams)
    with house_style("data"):
        assert rcParams["text.color"] == INK
    assert dict(rcParams) == before


@pytest.mark.parametrize("extra", ["data", "evaluate"])
def test_without_matplotlib_the_extra_is_named(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'personsearch\[{extra}\]'"), house_style(extra):
        pass
