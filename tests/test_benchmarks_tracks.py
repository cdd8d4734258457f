"""The benchmark of tracks: what it calls a passage, a right track and a search, by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tracks import Figures, Look, Rows, cameras_of, judge, ours, perfect, real, retrieval
from personsearch import PersonSearcher
from personsearch.datasets import Dataset, Scene
from personsearch.datasets.dataset import Accounting
from personsearch.evaluation.observations import Observations
from personsearch.results import Detections
from tests.support import SHARED, video

BOXES = np.array([[10, 10, 50, 110], [200, 10, 240, 110]], np.float32)


def footage(identities: list[list[int]], times: list[float]) -> dict[str, list[Look]]:
    """Return one camera in which people stand in two places and are all detected."""
    scenes, detections = [], {}
    for number, (people, time) in enumerate(zip(identities, times, strict=True)):
        boxes = BOXES[: len(people)]
        scene = Scene(
            image_id=f"{number}",
            path=Path(f"{number}.jpg"),
            width=400,
            height=200,
            camera="door",
            time=time,
            place=None,
            boxes=boxes,
            identities=np.array(people, np.int64),
            ignore=np.zeros(len(people), bool),
        )
        scenes.append(scene)
        detections[scene.image_id] = Detections(
            boxes=boxes,
            scores=np.full(len(people), 0.9, np.float32),
            embeddings=np.eye(4, dtype=np.float32)[people],
            image_size=(200, 400),
        )
    dataset = Dataset(
        name="footage", scenes=tuple(scenes), queries=(), accounting=Accounting(rows=len(scenes), kept=len(scenes))
    )
    observed = Observations(weights="", detections=detections, boxes={}, embeddings={})
    return cameras_of(dataset, observed, 0.5)


def test_a_passage_ends_after_five_seconds_out_of_sight() -> None:
    [looks] = footage([[0, 1], [1], [0, 1], [0, 1]], [0.0, 4.0, 5.0, 10.5]).values()
    assert [look.passages.tolist() for look in looks] == [[0, 1], [1], [0, 1], [2, 3]]
    assert [look.people().tolist() for look in looks] == [[0, 1], [1], [0, 1], [0, 1]]


def test_figures_by_hand() -> None:
    pytest.importorskip("trackers", reason="its metrics are what the benchmark uses; pip install trackers")
    [looks] = footage([[0, 1]] * 4, [0.0, 1.0, 2.0, 3.0]).values()
    figures = Figures()
    judge(looks, [np.array(row) for row in ([7, 8], [7, 8], [8, 7], [8, 7])], figures)
    # Four of the eight detections agree with the best one-to-one assignment; both people change their track once.
    assert (figures.right, figures.wrong, figures.switches) == (4, 8, 2)
    assert (figures.idf1, figures.tracks, figures.passages, figures.mixed) == (0.5, 2, 2, 2)
    figures = Figures()
    follow = ours()
    judge(looks, [follow(look.seconds, look.detections) for look in looks], figures)
    assert (figures.idf1, figures.switches, figures.mixed) == (1.0, 0, 0)
    best = perfect({"door": looks}, 1)
    assert (best.idf1, best.tracks) == (1.0, 2)
    assert figures.row("x") == "| x | 100.0 | 0 | 2 | 2 | 0 |"


def test_a_search_ranks_people_of_other_cameras_by_their_best_row() -> None:
    asked = Rows(np.array([[1.0, 0]], np.float32), np.array([5]), np.array(["a"]))
    rows = Rows(
        np.array([[1, 0], [0.2, 0.9], [0.8, 0.6], [0.6, 0.8], [0.9, 0.4]], np.float32),
        np.array([5, 5, 5, 6, -1]),
        np.array(["a", "b", "b", "b", "c"]),
    )
    # Before other cameras: nobody's row 0.9, then person 5's best 0.8, then person 6's 0.6.
    assert retrieval(asked, rows) == (0.5, 0.0)


def test_a_real_video_has_its_line(tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    [line] = real(tiny_searcher, video(tmp_path / "clip.mp4"), {"A": [0, 19]}, 10)
    assert line.startswith("| 10 | ")
    assert line.count("|") == 9


@pytest.mark.slow
def test_six_people_of_a_real_video_are_six_long_tracks() -> None:
    folder = SHARED / "real-video"
    if not folder.is_dir():
        pytest.skip("no real video in ../shared/data")
    facts = json.loads((folder / "segments.json").read_text())
    [line] = real(PersonSearcher.from_pretrained(device="cpu"), folder / facts["video"], facts["people"], 5)
    every, tracks, long, whose, mixed, *_ = (cell.strip() for cell in line.strip("|").split("|"))
    assert (every, long, whose, mixed) == ("5", "6", "['A', 'B', 'C', 'D', 'E', 'F']", "0")
    assert int(tracks) < 30  # bits of those who come and go are tracks of their own
