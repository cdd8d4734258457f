"""The worst a searcher does on a set, as one picture: scenes with most errors, and the surest of wrong searches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from personsearch.datasets import Dataset, Scene
from personsearch.evaluation.detection import Judged, judge
from personsearch.evaluation.observations import Observations
from personsearch.pictures.decode import load_image
from personsearch.pictures.drawing import PAPER, QUERY, RIGHT, WRONG, Tile, load_font, match_rows

SCENES, SEARCHES, MATCHES = 4, 4, 3
SCENE_WIDTH = 420


def draw_failures(observed: Observations, dataset: Dataset, score: float, path: Path) -> Path:
    """Draw the scenes with most errors and the searches whose best match is most surely another person.

    Args:
        observed: what the searcher saw of the set.
        dataset: the set, with queries.
        score: lowest score of a detection.
        path: of the picture (JPEG).

    Returns:
        ``path``.
    """
    judged = {scene.image_id: judge(scene, observed.detections[scene.image_id], score) for scene in dataset.scenes}
    worst = sorted(judged.values(), key=lambda one: -one.errors)[:SCENES]
    scenes = _grid([_scene_picture(one) for one in worst])
    rows = _wrong_searches(observed, dataset, judged)
    parts = [scenes]
    if rows:
        parts.append(match_rows(rows, "Searches whose best match is another person, the most similar ones"))
    sheet = Image.new("RGB", (max(p.width for p in parts), sum(p.height for p in parts)), PAPER)
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    sheet.save(path, quality=85)
    return path


def _scene_picture(judged: Judged) -> tuple[Image.Image, str]:
    picture = Image.fromarray(load_image(judged.scene.path))
    pen = ImageDraw.Draw(picture)
    width = max(2, picture.width // 250)
    for row, box in enumerate(judged.detections.boxes.tolist()):
        pen.rectangle(box, outline=RIGHT if judged.person[row] >= 0 else WRONG, width=width)
    for box in judged.scene.boxes[judged.missed].tolist():
        pen.rectangle(box, outline=QUERY, width=width)
    height = round(picture.height * SCENE_WIDTH / picture.width)
    text = f"{len(judged.missed)} missed (blue), {len(judged.false)} of nobody (red)"
    return picture.resize((SCENE_WIDTH, height), Image.Resampling.LANCZOS), text


def _grid(pictures: Sequence[tuple[Image.Image, str]]) -> Image.Image:
    gap, caption = 14, 28
    height = max(picture.height for picture, _ in pictures)
    rows = (len(pictures) + 1) // 2
    sheet = Image.new("RGB", (gap + 2 * (SCENE_WIDTH + gap), gap + rows * (height + caption + gap)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (picture, text) in enumerate(pictures):
        x, y = gap + number % 2 * (SCENE_WIDTH + gap), gap + number // 2 * (height + caption + gap)
        sheet.paste(picture, (x, y))
        pen.text((x, y + height + 5), text, fill=(30, 30, 34), font=load_font(15))
    return sheet


def _wrong_searches(observed: Observations, dataset: Dataset, judged: dict[str, Judged]) -> list[list[Tile]]:
    owners = [(one, row) for one in judged.values() for row in range(len(one.detections))]
    if not dataset.queries or not owners:
        return []
    gallery = np.concatenate([one.detections.embeddings for one in judged.values()])
    names = np.array([one.scene.image_id for one, _ in owners])
    who = np.array([one.scene.identities[one.person[r]] if one.person[r] >= 0 else -1 for one, r in owners])
    similarities = observed.queries(dataset) @ gallery.T
    wrong: list[tuple[float, int, list[int]]] = []
    for number, (query, similar) in enumerate(zip(dataset.queries, similarities, strict=True)):
        ranked = [int(row) for row in np.argsort(-similar) if names[row] != query.image_id][:MATCHES]
        if ranked and who[ranked[0]] != query.identity:
            wrong.append((float(similar[ranked[0]]), number, ranked))
    found = []
    for _, number, ranked in sorted(wrong, reverse=True)[:SEARCHES]:
        query = dataset.queries[number]
        scene = judged[query.image_id].scene
        tiles = [Tile(image=_open(scene), box=_box(query.box), title="query", subtitle=query.image_id, colour=QUERY)]
        for row in ranked:
            one, at = owners[row]
            tiles.append(
                Tile(
                    image=_open(one.scene),
                    box=_box(one.detections.boxes[at]),
                    title=f"{similarities[number, row]:.2f}",
                    subtitle=one.scene.image_id,
                    colour=RIGHT if who[row] == query.identity else WRONG,
                )
            )
        found.append(tiles)
    return found


def _open(scene: Scene) -> Image.Image:
    return Image.fromarray(load_image(scene.path))


def _box(box: NDArray[np.float32]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box.tolist()
    return x1, y1, x2, y2
