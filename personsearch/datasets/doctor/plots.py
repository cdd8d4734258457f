"""A set's statistics as pictures: the long tail of identities, box sizes, people per frame, cameras per identity.

Every plot takes plain numbers by series: a mapping from a name (a split, a set, "target" and "result") to an array. A
series in the same position has the same colour in all plots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from personsearch.errors import DatasetError
from personsearch.pictures.charts import (
    SERIES,
    Line,
    Numbers,
    add_legend,
    draw_outline,
    house_style,
    new_figure,
    percentages,
    save_png,
    use_log_x,
    use_whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Name -> numbers. The legend shows the names.
Series = Mapping[str, Numbers]

SIZE_INCHES = (8.0, 4.5)
#: With more different counts than this, bars give way to outlines of a histogram.
MOST_BARS = 40
BINS = 60
#: With fewer identities than this, each is a dot, because a line would hardly be seen.
FEW = 10


def dataset_plots(datasets: Sequence[Dataset], folder: str | Path) -> list[Path]:
    """Draw the four plots of splits that belong together, as PNG.

    Args:
        datasets: one series each.
        folder: created where it is missing.

    Returns:
        people-per-frame.png, box-sizes.png, identity-long-tail.png and cameras-per-identity.png. Without boxes,
        identities or known cameras the plots of those are left out.

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
    paths = [people_per_frame_plot(people, folder / "people-per-frame.png")]
    if boxes:
        paths.append(box_size_plot(boxes, folder / "box-sizes.png"))
    if long_tail:
        paths.append(long_tail_plot(long_tail, folder / "identity-long-tail.png"))
    if cameras:
        paths.append(cameras_per_identity_plot(cameras, folder / "cameras-per-identity.png"))
    return paths


def long_tail_plot(
    counts: Series, path: str | Path, title: str = "Boxes per identity", lines: Sequence[Line] = SERIES
) -> Path:
    """Draw the boxes of each identity, the most frequent identity first: the paper's Figure 1a.

    Args:
        counts: (I,) boxes of each identity, in any order; a series without identities is left out.
        path: of the PNG.
        title: above the plot.
        lines: of the first series, the second and so on.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    counts = _filled(counts)
    with house_style("data"):
        figure, (axes,) = new_figure(SIZE_INCHES, title=title)
        handles, texts = [], []
        for line, (name, numbers) in zip(_lines(counts, lines), counts.items(), strict=True):
            ordered = np.sort(numbers)[::-1]
            ranks = np.arange(1, len(ordered) + 1)
            head = head_count(len(ordered))
            texts.append(
                f"{name}: {len(ordered):,} identities, {round(ordered.sum()):,} boxes, median {np.median(ordered):.4g}"
                f"\ntop {HEAD_SHARE:.0%} ({head:,}) hold {head_share(ordered):.0%} of the boxes"
            )
            axes.fill_between(ranks[:head], ordered[:head], color=line.colour, alpha=0.22, linewidth=0)
            marker = "o" if len(ordered) < FEW else ""
            handles += axes.plot(ranks, ordered, color=line.colour, linewidth=line.width, marker=marker)
            axes.plot([ranks[head - 1]] * 2, [0, ordered[head - 1]], color=line.colour, linewidth=1, linestyle=":")
        axes.set_xlim(0, 1.01 * max((len(numbers) for numbers in counts.values()), default=1))
        axes.set_ylim(bottom=0)
        _finish(axes, "identities, the most frequent first", "boxes of the identity", handles, texts)
        return save_png(figure, path)


def box_size_plot(boxes: Series, path: str | Path, title: str = "Box sizes") -> Path:
    """Draw the heights of boxes, and their heights relative to their widths.

    Args:
        boxes: (N, 4) xyxy, pixels.
        path: of the PNG.
        title: above the plot.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    heights = {name: np.asarray(b[:, 3] - b[:, 1], dtype=np.float64) for name, b in boxes.items()}
    ratios = {name: heights[name] / np.maximum(b[:, 2] - b[:, 0], 1e-6) for name, b in boxes.items()}
    with house_style("data"):
        figure, (left, right) = new_figure(SIZE_INCHES, panels=2, title=title)
        low, high = _range(heights, (0.0, 100.0))
        _distributions(left, heights, np.geomspace(low * 0.98, high * 1.02, BINS + 1), "box height (pixels)", 0)
        use_log_x(left)
        low, high = _range(ratios, (0.2, 99.8))
        edges = np.linspace(low, high, BINS + 1) if high > low else np.array([low * 0.9, low * 1.1])
        _distributions(right, ratios, edges, "height / width", 2)
        return save_png(figure, path)


def people_per_frame_plot(counts: Series, path: str | Path, title: str = "People per frame") -> Path:
    """Draw the share of frames that show 0, 1, 2 ... people.

    Args:
        counts: (F,) people of each frame.
        path: of the PNG.
        title: above the plot.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return _counts_plot(counts, path, title, "people in the frame", "share of frames (%)", "frames")


def cameras_per_identity_plot(counts: Series, path: str | Path, title: str = "Cameras per identity") -> Path:
    """Draw the share of identities that 1, 2, 3 ... cameras see.

    Args:
        counts: (I,) cameras of each identity.
        path: of the PNG.
        title: above the plot.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return _counts_plot(counts, path, title, "cameras that see the identity", "share of identities (%)", "identities")


def _counts_plot(counts: Series, path: str | Path, title: str, x: str, y: str, unit: str) -> Path:
    """Draw shares of whole numbers: bars side by side, or outlines where there are too many."""
    low = min(int(numbers.min()) for numbers in counts.values())
    high = max(int(numbers.max()) for numbers in counts.values())
    width = 0.84 / len(counts)
    with house_style("data"):
        figure, (axes,) = new_figure(SIZE_INCHES, title=title)
        handles: list[Any] = []
        for place, (line, numbers) in enumerate(zip(_lines(counts), counts.values(), strict=True)):
            if high - low < MOST_BARS:
                shares = np.bincount(numbers.astype(np.int64) - low, minlength=high - low + 1) / len(numbers) * 100
                at = np.arange(low, high + 1) + (place - (len(counts) - 1) / 2) * width
                handles.append(axes.bar(at, shares, width=width, color=line.colour))
            else:
                step = max(1, -(-(high - low + 1) // BINS))
                edges = np.arange(low - 0.5, high + step + 0.5, step)
                handles.append(draw_outline(axes, percentages(numbers, edges), edges, line))
        axes.set_xlim(low - 0.6, high + 0.6)
        use_whole_numbers(axes)
        texts = [f"{name}: {len(n):,} {unit}, mean {n.mean():.1f}, at most {n.max():,}" for name, n in counts.items()]
        _finish(axes, x, y, handles, texts)
        return save_png(figure, path)


def _filled(series: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: numbers for name, numbers in series.items() if len(numbers)}


def _lines(series: Series, lines: Sequence[Line] = SERIES) -> list[Line]:
    return [lines[place % len(lines)] for place in range(len(series))]


def _range(series: Series, percentiles: tuple[float, float]) -> tuple[float, float]:
    """Return the range that holds the positive numbers of all series between two percentiles."""
    pooled = np.concatenate(list(series.values()))
    low, high = np.percentile(pooled[pooled > 0], percentiles) if (pooled > 0).any() else (1.0, 2.0)
    return float(low), float(high)


def _distributions(axes: Axes, series: Series, edges: NDArray[np.float64], x: str, digits: int) -> None:
    handles = [
        draw_outline(axes, percentages(numbers, edges), edges, line)
        for line, numbers in zip(_lines(series), series.values(), strict=True)
    ]
    texts = [f"{name}: median {np.median(numbers):.{digits}f}" for name, numbers in series.items()]
    _finish(axes, x, "share of boxes (%)", handles, texts)


def _finish(axes: Axes, x: str, y: str, handles: Sequence[Any], texts: Sequence[str]) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=False, axis="x")
    axes.set_axisbelow(True)
    add_legend(axes, handles, texts)
