"""Charts in the house style, drawn with matplotlib but without pyplot, so that no caller's state or backend is touched.

Everything from the first call of :func:`new_figure` to :func:`save_png` or :func:`svg_text` belongs inside
``with house_style(extra):``. matplotlib is loaded there and nowhere else.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from personsearch.durable import write_durably
from personsearch.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Numbers = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]

INK, FAINT, RULE, ACCENT, OTHER = "#1d1d1f", "#77777d", "#dcdce1", "#0a6c8f", "#9a9aa1"


class Line(NamedTuple):
    """How a series is drawn: its colour, and the width of its line in points."""

    colour: str
    width: float


#: The first series, the second and so on. The colours differ for people with red-green colour blindness, too.
SERIES = (Line("#3b4cc0", 2.0), Line("#e07b39", 2.0), Line("#2a9d8f", 2.0), Line("#8d3b72", 2.0))
#: A broad line for what was wanted, and a narrow one on top of it for what came out.
TARGET_AND_RESULT = (Line(OTHER, 4.0), Line(ACCENT, 1.4))

SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "personsearch",
    "text.parse_math": False,  # a "$" in a name is a dollar sign
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.solid_capstyle": "round",
}


@contextmanager
def house_style(extra: str) -> Iterator[None]:
    """Apply the house style to everything drawn inside the ``with`` block.

    Args:
        extra: the extra of personsearch that installs matplotlib for this purpose, e.g. "data".

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401 - fails here rather than halfway through a chart
        from matplotlib import rc_context
    except ImportError:
        raise MissingExtraError(f"charts need matplotlib: pip install 'personsearch[{extra}]'") from None
    with rc_context(SETTINGS):
        yield


def new_figure(
    size: tuple[float, float], *, panels: int = 1, title: str = "", dots_per_inch: int = 150
) -> tuple[Figure, list[Axes]]:
    """Return a figure of its own and its panels, side by side.

    Args:
        size: width and height in inches.
        panels: how many.
        title: above all panels, at the left.
        dots_per_inch: of a PNG; an SVG has no pixels.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dots_per_inch, layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=14)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def draw_outline(axes: Axes, heights: Numbers, edges: Numbers, line: Line, *, alpha: float = 0.18) -> Any:
    """Draw a histogram as an outline over a pale area, so that several can share a panel; returns it, for a legend.

    Args:
        axes: to draw on.
        heights: (B,) of the bins.
        edges: (B + 1,) of the bins, rising.
        line: of the outline; its colour is the area's, too.
        alpha: opacity of the area, 0 to 1.
    """
    axes.stairs(heights, edges, fill=True, facecolor=line.colour, alpha=alpha, edgecolor="none")
    return axes.stairs(heights, edges, color=line.colour, linewidth=line.width)


def percentages(numbers: Numbers, edges: Numbers) -> NDArray[np.float64]:
    """Return the (B,) percentage of all numbers in each bin; those outside the bins count in the outermost ones.

    Args:
        numbers: (N,) in any order; without any, every bin holds 0.
        edges: (B + 1,) of the bins, rising.
    """
    counts = np.histogram(np.clip(numbers, edges[0], edges[-1]), edges)[0]
    return np.asarray(counts / max(len(numbers), 1) * 100)


def draw_cumulative(axes: Axes, numbers: Numbers, line: Line) -> Any:
    """Draw the percentage of numbers that are at most x as steps; returns the line, for a legend.

    Args:
        axes: to draw on.
        numbers: (N,) in any order.
        line: colour and width.
    """
    rising, counts = np.unique(numbers, return_counts=True)
    shares = 100 * np.cumsum(counts) / max(1, len(numbers))
    x, y = np.concatenate([rising[:1], rising]), np.concatenate([np.zeros(len(rising[:1])), shares])
    return axes.step(x, y, where="post", color=line.colour, linewidth=line.width)[0]


def use_log_x(axes: Axes) -> None:
    """Make the x axis logarithmic, with plain numbers at 1, 2 and 5 times the powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def use_whole_numbers(axes: Axes) -> None:
    """Put ticks of the x axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def add_legend(axes: Axes, handles: Sequence[Any], texts: Sequence[str]) -> None:
    """Put a legend above the plot, where it hides nothing.

    Args:
        axes: the panel.
        handles: what matplotlib returned when it drew each series.
        texts: one for each handle, drawn as they are.
    """
    legend = axes.legend(
        handles,
        [str(number) for number in range(len(handles))],
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        frameon=False,
        fontsize=9,
        borderaxespad=0.2,
    )
    # Set afterwards, because matplotlib leaves out labels that begin with "_".
    for drawn, text in zip(legend.get_texts(), texts, strict=True):
        drawn.set_text(text)


def save_png(figure: Figure, path: str | Path) -> Path:
    """Write a figure durably as a PNG on white, in a folder that is created where it is missing; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    figure.savefig(data, format="png", facecolor="white", metadata={"Software": None})
    write_durably(path, data.getvalue())
    return path


def svg_text(figure: Figure, title: str, variables: Mapping[str, str]) -> str:
    """Return a figure as an SVG element for a page: it fills its container and takes its type and colours from there.

    Args:
        figure: as drawn.
        title: read aloud to those who do not see the chart.
        variables: colour as drawn, e.g. INK -> what to write in its place, e.g. "var(--ink)".
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would apply to the whole page
    text = re.sub(r'font-family: [^;"]+', "font-family: var(--sans)", text)
    text = re.sub(r' id="(?:figure|axes|patch|line2d|matplotlib|xtick|ytick|text)[^"]*"', "", text)
    for colour, name in variables.items():
        text = text.replace(colour, name)
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt" ', "", text, count=1)
    text = re.sub(r'height="[\d.]+pt"', "", text, count=1)
    text = re.sub(r'width="[\d.]+pt"', "", text, count=1)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    return f"<svg class='chart' role='img' aria-label=\"{html.escape(title)}\"" + text[len("<svg") :]
