"""Contact sheets: what the generator makes, to be looked at by people."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from personsearch.durable import write_durably
from personsearch.synth.cameras import Camera
from personsearch.synth.drawing_jobs import TARGET_SCALES, sensor_of
from personsearch.synth.frame import Stage, draw_frame, open_stage
from personsearch.synth.geometry import Mesh, linear
from personsearch.synth.people.identity import GROUP, Identity, sample_identity
from personsearch.synth.people.things import THINGS
from personsearch.synth.plan import plan
from personsearch.synth.plan_types import Appearance, Frame, Job
from personsearch.synth.recipe import Recipe, load_recipe
from personsearch.synth.sensor import NEUTRAL, PERFECT, develop, exposure_gain, grey_world
from personsearch.synth.world import build_world
from personsearch.synth.world.lights import NEUTRAL as DAYLIGHT
from personsearch.synth.world.types import World

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]
PER_ROW = 9
CELL = (128, 256)


def contact_sheets(recipe: Recipe | None, folder: str | Path) -> list[Path]:
    """Draw the sheets into a folder, as JPEG.

    Args:
        recipe: whose frames and identities are shown; None = the package's ``street-small``.
        folder: made if it is not there.

    Returns:
        people.jpg (fronts and backs), look-alikes.jpg (four people in one outfit, or with one thing changed),
        things.jpg, frames.jpg (with boxes) and cameras.jpg (one identity per row, as its cameras see it).

    Raises:
        RenderError: there is no OpenGL through EGL.
    """
    recipe = load_recipe("street-small") if recipe is None else recipe
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = plan(recipe)
    frames, crops = _photographs(recipe, jobs)
    people = [sample_identity(recipe.seed * 1000 + k) for k in range(2 * PER_ROW)]
    alike = [sample_identity(seed, look_alikes=1.0) for seed in range(3 * GROUP)]
    busy = [sample_identity(recipe.seed * 1000 + 40 + k) for k in range(2 * len(THINGS))]
    sheets = {
        "people": _people(people),
        "look-alikes": _people(alike, per_row=3 * GROUP),
        "things": _people(busy, things=THINGS * 2, per_row=2 * len(THINGS)),
        "frames": _grid(frames, 3),
        "cameras": _grid(crops, 8),
    }
    return [_write(folder / f"{name}.jpg", sheet) for name, sheet in sheets.items()]


def _write(path: Path, sheet: Pixels) -> Path:
    data = io.BytesIO()
    Image.fromarray(sheet).save(data, "JPEG", quality=80, optimize=True)
    write_durably(path, data.getvalue())
    return path


def _grid(cells: list[Pixels], columns: int) -> Pixels:
    height, width = cells[0].shape[:2]
    rows = -(-len(cells) // columns)
    sheet = np.full((rows * (height + 4) - 4, columns * (width + 4) - 4, 3), 255, np.uint8)
    for index, cell in enumerate(cells):
        y, x = index // columns * (height + 4), index % columns * (width + 4)
        sheet[y : y + height, x : x + width] = cell
    return sheet


def _people(identities: list[Identity], things: tuple[str, ...] = (), per_row: int = PER_ROW) -> Pixels:
    """Draw people side by side in a grey studio, each row from the front and from behind."""
    by_seed = {identity.seed: identity for identity in identities}
    width, height = 160 * per_row, 420
    stage = Stage(_studio(), width, height, by_seed.__getitem__)
    rows: list[Pixels] = []
    try:
        for first in range(0, len(identities), per_row):
            group = identities[first : first + per_row]
            carried = things[first : first + per_row]
            rows.extend(_line_up(stage, group, carried, back, width, height) for back in (0.0, np.pi))
    finally:
        stage.close()
    return np.concatenate(rows)


def _line_up(
    stage: Stage, group: list[Identity], things: tuple[str, ...], back: float, width: int, height: int
) -> Pixels:
    spread = 1.0 if not things else 1.7
    wide = spread * len(group)
    distance = 11.0 * wide / 9
    view = float(np.degrees(2 * np.arctan(wide / 2 / distance)))
    camera = Camera(
        name="studio", eye=(0, 1.3, distance), target=(0, 0.98, 0), field_of_view=view, width=width, height=height,
        aspect=width / height,
    )  # fmt: skip
    people = []
    for place, identity in enumerate(group):
        act = np.random.default_rng([identity.seed, 95])
        people.append(
            Appearance(
                seed=identity.seed,
                label=-1,
                position=((place - (len(group) - 1) / 2) * spread, 0.0),
                heading=back + 0.3,
                speed=0.0 if place % 4 == 0 else 1.3,
                phase=float(act.random()),
                act=int(act.integers(2**31)),
                companion_thing=things[place] if things else "",
            )
        )
    return draw_frame(stage, Frame(name="", camera=camera, time=0, light=0, seed=0, appearances=tuple(people))).image


def _studio() -> World:
    corners = np.array([[-60, 0, -60], [60, 0, -60], [60, 0, 60], [-60, 0, 60]], np.float32)
    floor = Mesh(
        material="plaster",
        positions=corners,
        normals=np.tile(np.array([0, 1, 0], np.float32), (4, 1)),
        surface=np.column_stack([corners[:, [0, 2]], np.zeros(4)]).astype(np.float32),
        colours=np.tile(linear((0.55, 0.55, 0.56)), (4, 1)),
        triangles=np.array([[0, 3, 2], [0, 2, 1]], np.int32),
    )
    room = (-50.0, -50.0, 50.0, 50.0)
    return World(kind="plaza", seed=0, meshes=(floor,), walkable=room, bounds=room, lights=(DAYLIGHT,))


def _photographs(recipe: Recipe, jobs: tuple[Job, ...]) -> tuple[list[Pixels], list[Pixels]]:
    """Return frames with boxes, one of each of nine cameras, and eight crops each of six identities."""
    chosen = [jobs[k] for k in np.unique(np.linspace(0, len(jobs) - 1, 9).round().astype(int))]
    frames = []
    for k, job in enumerate(chosen):
        stage = open_stage(job, recipe)
        try:
            image, boxes = _photograph(stage, job, job.frames[(k * 7) % len(job.frames)], recipe)
        finally:
            stage.close()
        frames.append(_with_boxes(image, boxes))
    return frames, _across_cameras(recipe, jobs)


def _across_cameras(recipe: Recipe, jobs: tuple[Job, ...], people: int = 6, crops: int = 8) -> list[Pixels]:
    """Return crops of the identities that the most cameras of a scene see, those of one person after another."""
    own = _brightest(jobs)
    where: dict[int, list[tuple[Job, Frame]]] = defaultdict(list)
    for position in range(max(len(job.frames) for job in own)):
        for job in own:
            for one in job.frames[position].appearances if position < len(job.frames) else ():
                if one.label >= 0:
                    where[one.label].append((job, job.frames[position]))
    often = sorted(where, key=lambda label: (-len(where[label]), label))[: 2 * people]
    crops = min(crops, len(where[often[min(people, len(often)) - 1]])) if often else crops
    stage, cells = open_stage(own[0], recipe), []
    try:
        for label in often:
            seen = []
            for job, frame in where[label][:: max(1, len(where[label]) // (3 * crops))]:
                image, boxes = _photograph(stage, job, replace(frame, random_background=False), recipe)
                found = [box for box, who, visibility in boxes if who == label and visibility > 0.5]
                if found and found[0][3] - found[0][1] > 0.1 * recipe.height:
                    seen.append(_cell(image, found[0]))
                if len(seen) == crops:
                    break
            if len(seen) == crops:
                cells.extend(seen)
            if len(cells) == people * crops:
                break
    finally:
        stage.close()
    return cells or [np.zeros((CELL[1], CELL[0], 3), np.uint8)]


def _cell(image: Pixels, box: Box) -> Pixels:
    """Return the part of a box that is in the picture."""
    height, width = image.shape[:2]
    inside = (max(0.0, box[0]), max(0.0, box[1]), min(width, box[2]), min(height, box[3]))
    return np.asarray(Image.fromarray(image).crop(inside).resize(CELL), np.uint8)


def _brightest(jobs: tuple[Job, ...]) -> list[Job]:
    """Return the jobs of the first scene without night or dusk, or of the first."""
    by_scene: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_scene[job.scene].append(job)
    for own in by_scene.values():
        lights = build_world(own[0].kind, own[0].world_seed).lights
        if not any(light.name in TARGET_SCALES for light in lights[:2]):
            return own
    return by_scene[jobs[0].scene]


def _photograph(stage: Stage, job: Job, frame: Frame, recipe: Recipe) -> tuple[Pixels, list[tuple[Box, int, float]]]:
    """Draw a frame as its camera would record it; boxes, labels and visibilities of its people."""
    sensor = sensor_of(job, frame, recipe)
    scale = TARGET_SCALES.get(stage.world.lights[frame.light].name, 1.0)
    first = draw_frame(stage, frame).image
    balance = NEUTRAL if sensor is PERFECT else grey_world(first)
    gain = exposure_gain(first, sensor, 0.3, 4.0, balance=balance, target_scale=scale)
    drawn = draw_frame(stage, frame, gain)
    image = develop(drawn.image, sensor, np.random.default_rng(frame.seed), balance=balance, target_scale=scale)
    people = [(person.box, frame.appearances[person.appearance].label, person.visibility) for person in drawn.people]
    return image, people


def _with_boxes(image: Pixels, boxes: list[tuple[Box, int, float]], width: int = 480) -> Pixels:
    """Draw boxes: green = labelled, blue = without a label, orange = too hidden to count; and scale the picture."""
    share = width / image.shape[1]
    small = Image.fromarray(image).resize((width, round(image.shape[0] * share)))
    draw = ImageDraw.Draw(small)
    for box, label, visibility in boxes:
        if visibility < 0.12:
            continue
        colour = (255, 150, 30) if visibility < 0.35 else (60, 130, 255) if label < 0 else (60, 220, 60)
        x1, y1, x2, y2 = (corner * share for corner in box)
        draw.rectangle((x1, y1, x2, y2), outline=colour)
        if label >= 0 and visibility >= 0.35:
            draw.text((x1 + 1, max(0, y1 - 10)), str(label), fill=colour, font=ImageFont.load_default(size=9))
    return np.asarray(small, np.uint8)
