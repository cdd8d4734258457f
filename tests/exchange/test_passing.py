"""Who is in a frame of which only some views are stored: told by the tracks that pass there at that moment."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from personsearch import Gallery
from personsearch.datasets import load_dataset
from personsearch.exchange.export import export_gallery
from personsearch.exchange.passing import Passing, passing_tracks, recognised
from personsearch.people import NewScene, NewTrack, NewView
from personsearch.results import Detections, StoredScene
from tests.exchange.galleries import extra_of, seen
from tests.gallery.toy import DIM, spec
from tests.pictures.films import film

EYE = np.eye(DIM, dtype=np.float32)
SCENE = StoredScene(image_id="a.mp4#t=5.000", camera="door", time=5.0, image_size=(48, 64), extra={})


def track(number: int, first: float = 0, last: float = 10, place: str = "door") -> Passing:
    """Return the track of person 10 + number, who looks like nobody else."""
    return Passing(
        track_id=number,
        person_id=10 + number,
        name=None,
        place=place,
        first=first,
        last=last,
        embedding=EYE[number],
    )


def test_each_person_is_the_track_that_passes_and_looks_like_them() -> None:
    tracks = [track(0), track(1), track(2, last=4.9), track(3, place="yard"), track(4)]
    assert recognised(SCENE, EYE[[1, 0, 2, 3, 4]], tracks, present=[14]) == [1, 0, None, None, None]
    assert recognised(SCENE, EYE[:0], tracks, present=[]) == []
    assert recognised(SCENE, EYE[:2], [], present=[]) == [None, None]
    assert recognised(replace(SCENE, time=None), EYE[:2], tracks, present=[]) == [None, None]


def test_of_two_who_look_like_one_track_the_more_similar_one_is_it() -> None:
    close = (EYE[0] + 0.2 * EYE[5]) / np.linalg.norm(EYE[0] + 0.2 * EYE[5])
    assert recognised(SCENE, np.stack([close, EYE[0]]), [track(0)], present=[None]) == [None, 0]
    assert recognised(SCENE, close[None], [track(0)], present=[]) == [0]


def test_an_unknown_camera_is_its_video() -> None:
    scene = replace(SCENE, camera=None)
    assert recognised(scene, EYE[:1], [track(0, place="a.mp4")], present=[]) == [0]
    assert recognised(scene, EYE[:1], [track(0, place="b.mp4")], present=[]) == [None]


def walk(folder: Path) -> Gallery:
    """Return a gallery of two people who pass before one camera, each with one view, in two frames."""
    film(folder / "walk.mp4", frames=10)
    gallery = Gallery.open(folder / "gallery", spec())
    extra = extra_of(folder / "walk.mp4") | {"tracks": True}
    scenes = [
        NewScene(
            image_id=f"walk.mp4#t={time:.3f}",
            detections=seen({person: (4 + 30 * person, 4, 20 + 30 * person, 44)}, (64, 48)),
            camera="c",
            time=time,
            extra=extra,
        )
        for person, time in ((0, 0.2), (1, 0.7))
    ]
    tracks = [
        NewTrack(views=(NewView(image_id=scene.image_id, row=0, frames=7),), first=first, last=last)
        for scene, first, last in zip(scenes, (0.0, 0.1), (0.5, 0.9), strict=True)
    ]
    gallery.tracks.add(scenes, tracks)
    gallery.people.group(min_similarity=0.9)
    gallery.people.name(2, "Ben")
    return gallery


def test_people_of_tracks_get_their_label_in_the_frames_of_others(tmp_path: Path) -> None:
    def detect(pictures: list[object]) -> list[Detections]:
        return [seen({0: (4, 4, 20, 44), 1: (34, 4, 50, 44)}, (64, 48)) for _ in pictures]

    with walk(tmp_path) as gallery:
        known = [(one.person_id, one.name, one.place) for one in passing_tracks(gallery)]
        assert known == [(1, None, "c"), (2, "Ben", "c")]
        report = export_gallery(gallery, tmp_path / "out", detect=detect, progress=False)
    assert (report.boxes, report.added, report.recognised, report.labelled) == (4, 2, 1, 3)
    text = (tmp_path / "out" / "train.json").read_text()
    assert '"name": "Ben"' in text
    early, late = load_dataset(tmp_path / "out", split="train").scenes
    assert early.identities.tolist() == [1, 2]  # Ben passes at 0.2 s
    assert late.identities.tolist() == [2, -1]  # the first one's track ended at 0.5 s
