"""The report's charts: SVG that takes its colours and type from the page, so that it follows light and dark mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.pictures.charts import (
    ACCENT,
    FAINT,
    INK,
    OTHER,
    RULE,
    Line,
    draw_outline,
    house_style,
    new_figure,
    svg_text,
)

Numbers = NDArray[np.floating[Any]] | NDArray[np.integer[Any]] | Sequence[float]

#: Colours as drawn -> what the page's style sheet calls them.
VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    RULE: "var(--rule)",
    ACCENT: "var(--accent)",
    OTHER: "var(--other)",
}
#: How the first row of the tables, the second and so on is drawn: colour, dashes, width. The page's legends match.
ROWS = (
    (ACCENT, "solid", 1.8),
    (INK, (0, (5, 2)), 1.2),
    (OTHER, (0, (1.5, 1.5)), 1.4),
    (FAINT, (0, (6, 2, 1, 2)), 1.2),
)
#: Width and height of a chart, inches.
SIZE = (4.8, 3.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Series:
    """One line of a chart: x and y of equal length; ``row`` is the number of the row of the tables it belongs to."""

    row: int
    x: Numbers
    y: Numbers


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    title: str,
    x_log: bool = False,
    x_ticks: Sequence[float] = (),
    x_limits: tuple[float, float] | None = None,
    markers: bool = False,
    mark: tuple[float, float] | None = None,
) -> str:
    """Draw lines of fractions on a y axis of per cent. No user's text goes in: the page's legend names the rows.

    Args:
        series: drawn in order, the first on top.
        x_label: with its unit.
        y_label: with its unit.
        title: read aloud to those who do not see the chart.
        x_log: logarithmic x axis.
        x_ticks: ticks of the x axis, written as they are; by default matplotlib chooses.
        x_limits: ends of the x axis.
        markers: put a dot at each point.
        mark: put a ring at this place.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with house_style("evaluate"):
        figure, [axes] = new_figure(SIZE)
        for order, one in enumerate(series):
            colour, dashes, width = ROWS[min(one.row, len(ROWS) - 1)]
            axes.plot(
                one.x,
                100 * np.asarray(one.y, dtype=float),
                color=colour,
                linestyle=dashes,
                linewidth=width,
                marker="o" if markers else None,
                markersize=3.5,
                zorder=10 - order,
            )
        if mark is not None:
            axes.plot(*mark, marker="o", markersize=7, markerfacecolor="none", color=ACCENT, zorder=20, clip_on=False)
        if x_log:
            axes.set_xscale("log")
        if len(x_ticks):
            axes.set_xticks(list(x_ticks), [f"{tick:g}" for tick in x_ticks])
            axes.set_xticks([], minor=True)
        if x_limits is not None:
            axes.set_xlim(*x_limits)
        axes.set_ylim(0, 101)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        return svg_text(figure, title, VARIABLES)


def histogram(same: Numbers, different: Numbers, edges: Numbers, *, x_label: str, title: str) -> str:
    """Draw two histograms, each as per cent of its own pairs: the same person, and different people.

    Args:
        same: (B,) counts.
        different: (B,) counts.
        edges: (B + 1,) of the bins, rising.
        x_label: with its unit.
        title: read aloud to those who do not see the chart.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with house_style("evaluate"):
        figure, [axes] = new_figure(SIZE)
        for counts, colour, alpha in ((different, OTHER, 0.45), (same, ACCENT, 0.35)):
            values = np.asarray(counts, dtype=float)
            shares = 100 * values / max(values.sum(), 1)
            draw_outline(axes, shares, np.asarray(edges), Line(colour, 1.2), alpha=alpha)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel("share of the pairs, %")
        return svg_text(figure, title, VARIABLES)
