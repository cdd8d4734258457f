"""A set's statistics as pictures: the identity long tail, box sizes, people per frame, cameras per identity.

Every plot takes plain numbers by series: a mapping from a name (a split, a set, "target" and "result") to an array. A
series has the same colour in all plots when it has the same place.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personsearch.datasets.dataset import Dataset
from personsearch.datasets.doctor.statistics import (
    HEAD_SHARE,
    boxes_per_identity,
    cameras_per_identity,
    head_count,
    head_share,
    people_per_scene,
)
from personsearch.durable import write_durably
from personsearch.errors import DatasetError, MissingExtraError

Numbers = NDArray[np.integer[Any] | np.floating[Any]]
#: Name -> numbers. The names are the legend.
Series = Mapping[str, Numbers]

#: Of the first series, the second and so on; told apart by people who see no red or green, too.
COLOURS = ("#3b4cc0", "#e07b39", "#2a9d8f", "#8d3b72")
INK, FAINT = "#1e1e22", "#6e6e76"
SIZE_INCHES, DOTS_PER_INCH = (8.0, 4.5), 150
#: Beyond so many different counts bars are replaced by outlines of a histogram.
MOST_BARS = 40
BINS = 60
#: Below so many identities each is a dot, as a line would hardly be seen.
FEW = 10


def dataset_plots(datasets: Sequence[Dataset], folder: str | Path) -> list[Path]:
    """Draw the four plots of splits that belong together, as PNG.

    Args:
        datasets: one series each.
        folder: made if it is not there.

    Returns:
        identity-long-tail.png, box-sizes.png, people-per-frame.png and cameras-per-identity.png; those about
        identities only where there are some, the last only where cameras are known.

    Raises:
        DatasetError: no split has a scene.
        MissingExtraError: matplotlib is not installed.
    """
    folder = Path(folder)
    shown = {dataset.name: dataset for dataset in datasets if dataset.scenes}
    if not shown:
        raise DatasetError(f"{', '.join(d.name for d in datasets) or 'no set'}: no scenes, so there is nothing to plot")
    long_tail = _filled({name: boxes_per_identity(dataset.scenes) for name, dataset in shown.items()})
    people = {name: people_per_scene(dataset.scenes) for name, dataset in shown.items()}
    boxes = _filled({name: np.concatenate([s.boxes[~s.ignore] for s in d.scenes]) for name, d in shown.items()})
    cameras = _filled({name: cameras_per_identity(dataset.scenes) for name, dataset in shown.items()})
    plots = [people_per_frame_plot(people, folder / "people-per-frame.png")]
    if boxes:
        plots.append(box_size_plot(boxes, folder / "box-sizes.png"))
    if long_tail:
        plots.append(long_tail_plot(long_tail, folder / "identity-long-tail.png"))
    if cameras:
        plots.append(cameras_per_identity_plot(cameras, folder / "cameras-per-identity.png"))
    return plots


def long_tail_plot(counts: Series, path: str | Path, title: str = "Boxes per identity") -> Path:
    """Draw boxes per identity by falling rank: the paper's Figure 1a.

    Args:
        counts: (I,) boxes of each identity, in any order.
        path: PNG to write.
        title: above the plot.
    """
    figure, axes = _figure(1, title)
    legend = []
    for colour, (name, numbers) in zip(_colours(counts), counts.items(), strict=True):
        ordered = np.sort(numbers)[::-1]
        ranks = np.arange(1, len(ordered) + 1)
        head = head_count(len(ordered))
        legend.append(
            f"{name}: {len(ordered):,} identities, {int(ordered.sum()):,} boxes, median {np.median(ordered):g}\n"
            f"top {HEAD_SHARE:.0%} ({head:,}) hold {head_share(ordered):.0%} of the boxes"
        )
        axes[0].fill_between(ranks[:head], ordered[:head], color=colour, alpha=0.22, linewidth=0)
        marker = "o" if len(ordered) < FEW else ""
        axes[0].plot(ranks, ordered, color=colour, linewidth=2, marker=marker, label=str(head))
        axes[0].plot([ranks[head - 1]] * 2, [0, ordered[head - 1]], color=colour, linewidth=1, linestyle=":")
    axes[0].set_xlim(0, 1.01 * max(len(numbers) for numbers in counts.values()))
    axes[0].set_ylim(bottom=0)
    _label(axes[0], "identity, by falling number of boxes (rank)", "boxes of the identity", legend)
    return _save(figure, path)


def box_size_plot(boxes: Series, path: str | Path, title: str = "Sizes of boxes") -> Path:
    """Draw how high boxes are, and how high for their width.

    Args:
        boxes: (N, 4) xyxy, pixels.
        path: PNG to write.
        title: above the plot.
    """
    figure, axes = _figure(2, title)
    heights = {name: np.asarray(b[:, 3] - b[:, 1], dtype=np.float64) for name, b in boxes.items()}
    ratios = {name: heights[name] / np.maximum(b[:, 2] - b[:, 0], 1e-6) for name, b in boxes.items()}
    for ax, values, clip in ((axes[0], heights, (0.0, 100.0)), (axes[1], ratios, (0.2, 99.8))):
        pooled = np.concatenate(list(values.values()))
        low, high = np.percentile(pooled[pooled > 0], clip) if (pooled > 0).any() else (1.0, 2.0)
        bins = np.geomspace(low * 0.98, high * 1.02, BINS + 1) if ax is axes[0] else np.linspace(low, high, BINS + 1)
        for colour, numbers in zip(_colours(values), values.values(), strict=True):
            _outline(ax, numbers, bins if high > low else np.array([low * 0.9, low * 1.1]), colour)
        digits = 0 if ax is axes[0] else 2
        legend = [f"{name}: median {np.median(numbers):.{digits}f}" for name, numbers in values.items()]
        _label(ax, "height of the box (pixels)" if ax is axes[0] else "height / width", "share of boxes (%)", legend)
    _log_pixels(axes[0])
    return _save(figure, path)


def people_per_frame_plot(counts: Series, path: str | Path, title: str = "People per frame") -> Path:
    """Draw in how many frames how many people are.

    Args:
        counts: (F,) people of each frame.
        path: PNG to write.
        title: above the plot.
    """
    return _counts_plot(counts, path, title, "people in the frame", "share of frames (%)", "frames")


def cameras_per_identity_plot(counts: Series, path: str | Path, title: str = "Cameras per identity") -> Path:
    """Draw how many identities are seen by how many cameras.

    Args:
        counts: (I,) cameras of each identity.
        path: PNG to write.
        title: above the plot.
    """
    return _counts_plot(counts, path, title, "cameras that see the identity", "share of identities (%)", "identities")


def _counts_plot(counts: Series, path: str | Path, title: str, x: str, y: str, unit: str) -> Path:
    """Draw shares of whole numbers: bars side by side, or outlines where there are too many."""
    figure, (ax,) = _figure(1, title)
    low = min(int(numbers.min()) for numbers in counts.values())
    high = max(int(numbers.max()) for numbers in counts.values())
    width = 0.84 / len(counts)
    for place, (colour, numbers) in enumerate(zip(_colours(counts), counts.values(), strict=True)):
        if high - low < MOST_BARS:
            shares = np.bincount(numbers.astype(np.int64) - low, minlength=high - low + 1) / len(numbers) * 100
            at = np.arange(low, high + 1) + (place - (len(counts) - 1) / 2) * width
            ax.bar(at, shares, width=width, color=colour, label=str(place))
        else:
            step = max(1, -(-(high - low + 1) // BINS))
            _outline(ax, numbers, np.arange(low - 0.5, high + step + 0.5, step), colour)
    ax.set_xlim(low - 0.6, high + 0.6)
    ax.xaxis.get_major_locator().set_params(integer=True)
    legend = [f"{name}: {len(n):,} {unit}, mean {n.mean():.1f}, at most {n.max():,}" for name, n in counts.items()]
    _label(ax, x, y, legend)
    return _save(figure, path)


def _filled(series: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: numbers for name, numbers in series.items() if len(numbers)}


def _colours(series: Series) -> list[str]:
    return [COLOURS[place % len(COLOURS)] for place in range(len(series))]


def _figure(panels: int, title: str) -> tuple[Any, list[Any]]:
    """Return a figure of its own, so that nobody's pyplot state or backend is touched."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("plots need matplotlib; pip install 'personsearch[data]'") from None
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
    figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=14, color=INK, parse_math=False)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def _outline(ax: Any, numbers: Numbers, bins: NDArray[Any], colour: str) -> None:
    """Draw a histogram in per cent; what lies outside the bins counts in the outermost ones."""
    inside = np.clip(numbers, bins[0], bins[-1])
    shares = np.histogram(inside, bins)[0] / max(len(numbers), 1) * 100
    ax.stairs(shares, bins, color=colour, fill=True, alpha=0.18)
    ax.stairs(shares, bins, color=colour, linewidth=1.8, label=colour)


def _log_pixels(ax: Any) -> None:
    """Use a logarithmic axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_locator(NullLocator())


def _label(ax: Any, x: str, y: str, told: Sequence[str]) -> None:
    """Name the axes and lay the legend above the plot, where it hides nothing."""
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    ax.tick_params(colors=FAINT)
    ax.grid(axis="y", color="#e4e4e8", linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    legend = ax.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), frameon=False, fontsize=9, labelcolor=INK, borderaxespad=0.2
    )
    # Put in here, because as labels names that begin with _ would be left out, and those with $ read as formulas.
    for text, words in zip(legend.get_texts(), told, strict=True):
        text.set_parse_math(False)
        text.set_text(words)


def _save(figure: Any, path: str | Path) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    write_durably(path, data.getvalue())
    return path
