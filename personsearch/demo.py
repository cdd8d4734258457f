"""The main job on bundled scenes: index a dozen, look for three people, draw what was found."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from personsearch.boxes import box_iou
from personsearch.datasets import Query, Scene, load_dataset
from personsearch.gallery import Gallery
from personsearch.pictures.drawing import QUERY, RIGHT, WRONG, Tile, match_rows
from personsearch.results import Match
from personsearch.searcher import PersonSearcher

MATCHES = 5
HIT_IOU = 0.5


@dataclass(frozen=True, kw_only=True)
class DemoRow:
    """One match of a query of the demo, and whether it is the right person according to the annotations."""

    query: int
    rank: int
    match: Match
    correct: bool


def demo_scenes() -> tuple[list[Scene], list[Query]]:
    """Return the bundled scenes with their annotations, and the queries."""
    folder = demo_folder()
    dataset = load_dataset(folder / "scenes.json", queries=folder / "queries.json")
    return list(dataset.scenes), list(dataset.queries)


def demo_folder() -> Path:
    """Return the folder of the bundled scenes."""
    return Path(str(files("personsearch"))) / "assets" / "demo"


def run_demo(picture: Path, searcher: PersonSearcher, *, progress: bool | None = None) -> list[DemoRow]:
    """Index the bundled scenes into a throw-away gallery and search it, each query's own scene left out.

    Args:
        picture: where to write the ranking as a picture.
        searcher: any weights.
        progress: None = a bar on a terminal.

    Returns:
        The first five matches of each query.
    """
    scenes, queries = demo_scenes()
    paths = {scene.image_id: scene.path for scene in scenes}
    cameras = {scene.image_id: scene.camera for scene in scenes if scene.camera}
    rows: list[DemoRow] = []
    sheet: list[list[Tile]] = []
    with (
        tempfile.TemporaryDirectory(prefix="personsearch-demo-") as folder,
        Gallery.open(folder, searcher.spec) as gallery,
    ):
        searcher.index(dict(paths), gallery, cameras=cameras, progress=progress)
        for number, query in enumerate(queries, start=1):
            box = (float(query.box[0]), float(query.box[1]), float(query.box[2]), float(query.box[3]))
            matches = searcher.search(
                gallery, paths[query.image_id], box, k=MATCHES, exclude_images=[query.image_id], one_per_image=True
            )
            tiles = [
                Tile(
                    image=Image.open(paths[query.image_id]).convert("RGB"),
                    box=box,
                    title=f"query {number}",
                    subtitle=query.image_id,
                    colour=QUERY,
                )
            ]
            for rank, match in enumerate(matches, start=1):
                correct = _is(match, query.identity, scenes)
                rows.append(DemoRow(query=number, rank=rank, match=match, correct=correct))
                tiles.append(
                    Tile(
                        image=Image.open(paths[match.image_id]).convert("RGB"),
                        box=match.box,
                        title=f"{rank}.  {match.similarity:.2f}  {'same person' if correct else 'someone else'}",
                        subtitle=match.image_id,
                        colour=RIGHT if correct else WRONG,
                    )
                )
            sheet.append(tiles)
    match_rows(sheet, "personsearch demo: three people looked for in eleven other scenes").save(picture)
    return rows


def _is(match: Match, identity: int, scenes: list[Scene]) -> bool:
    for scene in scenes:
        if scene.image_id == match.image_id:
            truth = scene.boxes[scene.identities == identity]
            box = np.array([match.box], dtype=np.float32)
            return bool(len(truth)) and bool(box_iou(box, truth).max() >= HIT_IOU)
    return False
