"""Plans of photographed places."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from personsearch.synth.cameras import Camera
from personsearch.synth.plan import PHOTO, Job, plan
from personsearch.synth.plan.photographs import by_kind, camera_for
from personsearch.synth.plates.library import Plate
from personsearch.synth.recipe import Recipe, load_recipe
from tests.synth.plates.folders import places
from tests.synth.plates.test_library import plates as many_plates

SMALL = ["train.identities=24", "train.scenes=2", "train.frames=8", "test.identities=12", "test.scenes=2"]
SMALL += ["test.frames=8", "cameras.per_scene=2", 'kinds=["plaza"]']
TALL = 1.73
BARE = ["places.occluders=0", "places.things=0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {f"flat/{n}.jpg": {"scene": "yard", "place": "outdoor"} for n in range(8)}
    return places(tmp_path_factory.mktemp("places"), rows, flat=10, round_=2)


def recipe(folder: Path, *more: str) -> Recipe:
    return load_recipe("tiny", [*SMALL, f"places.photos={folder}", *more])


@pytest.fixture(scope="module")
def jobs(folder: Path) -> tuple[Job, ...]:
    return plan(recipe(folder, "places.share=1.0", "train.frames=150", "train.identities=60", *BARE))


def test_share_0_leaves_the_plan_alone_and_share_1_has_photographs_only(folder: Path, jobs: tuple[Job, ...]) -> None:
    few = ["train.frames=3", "test.frames=3", "train.identities=8", "test.identities=4"]
    drawn = plan(load_recipe("tiny", [*SMALL, *few]))
    assert plan(recipe(folder, "places.share=0", *few)) == drawn
    assert PHOTO not in {job.kind for job in drawn}
    assert {job.kind for job in jobs} == {PHOTO}
    mixed = plan(recipe(folder, "places.share=0.5", *few, *BARE))
    assert {(job.split, job.scene): job.kind == PHOTO for job in mixed} == {
        ("train", "s1"): False,
        ("train", "s2"): True,
        ("test", "s3"): False,
        ("test", "s4"): True,
    }
    with pytest.raises(Exception, match="there is no folder"):
        plan(recipe(folder / "gone", "places.share=0.5"))


def test_the_same_recipe_gives_the_same_plan(folder: Path) -> None:
    one = recipe(folder, "places.share=1.0")
    assert plan(one) == plan(one)
    assert plan(one) != plan(recipe(folder, "places.share=1.0", "seed=9"))


def test_splits_share_no_photograph_and_no_person(jobs: tuple[Job, ...]) -> None:
    photographs: dict[str, set[str]] = {"train": set(), "test": set()}
    people: dict[str, set[int]] = {"train": set(), "test": set()}
    for job in jobs:
        for frame in job.frames:
            assert frame.backdrop is not None
            photographs[job.split] |= {frame.backdrop.photo} - {""}
            people[job.split] |= {one.seed for one in frame.appearances}
    for sets in (photographs, people):
        assert sets["train"]
        assert sets["test"]
        assert not sets["train"] & sets["test"]


def test_some_frames_show_nobody_and_some_are_plain(jobs: tuple[Job, ...]) -> None:
    frames = [frame for job in jobs if job.split == "train" for frame in job.frames]
    assert len(frames) == len({frame.name for frame in frames}) == 600
    assert 0.06 < np.mean([not frame.appearances for frame in frames]) < 0.18
    plain = [frame.backdrop.photo == "" for frame in frames if frame.backdrop]
    assert 0.02 < np.mean(plain) < 0.09
    assert len({frame.camera.name for frame in frames}) == 600, "every photograph is a camera of its own"
    for frame in frames:
        seeds = [one.seed for one in frame.appearances]
        assert len(seeds) == len(set(seeds))


def test_people_are_seen_about_equally_often(jobs: tuple[Job, ...]) -> None:
    counts = Counter(
        one.label for job in jobs if job.split == "train" for frame in job.frames for one in frame.appearances
    )
    strangers = counts.pop(-1)
    total = sum(counts.values())
    assert len(counts) == 60
    assert 0.08 < strangers / (total + strangers) < 0.27
    # Weights are a long tail: with equal weights everybody has the same number, give or take those without room.
    assert max(counts.values()) > 2 * min(counts.values())


def test_equal_weights_give_equal_counts(folder: Path) -> None:
    even = plan(recipe(folder, "places.share=1.0", "people.spread=0", "places.empty=0", "train.frames=60", *BARE))
    counts = Counter(
        one.label for job in even if job.split == "train" for frame in job.frames for one in frame.appearances
    )
    counts.pop(-1)
    values = np.array(list(counts.values()))
    assert len(values) == 24
    assert values.std() / values.mean() < 0.12


def test_a_kind_of_place_is_as_frequent_as_the_root_of_its_number() -> None:
    kinds = [Plate(file=f"k{n}.jpg", width=640, height=480, kind="kitchen") for n in range(100)]
    kinds += [Plate(file=f"s{n}.jpg", width=640, height=480, kind="street") for n in range(4)]
    assert [(kind.plates[0].kind, kind.share) for kind in by_kind(kinds)] == [
        ("kitchen", pytest.approx(10 / 12)),
        ("street", pytest.approx(2 / 12)),
    ]


def test_mirroring_and_windows_can_be_switched_off(folder: Path) -> None:
    own = plan(recipe(folder, "places.share=1.0", "places.mirror=false", "places.least_window=1.0"))
    usual = plan(recipe(folder, "places.share=1.0"))
    backdrops = [frame.backdrop for job in usual for frame in job.frames if frame.backdrop]
    assert 0.3 < np.mean([one.mirrored for one in backdrops if one.photo]) < 0.7
    for frame in (frame for job in own for frame in job.frames):
        assert frame.backdrop is not None
        assert not frame.backdrop.mirrored
        if not frame.backdrop.panorama and frame.backdrop.photo:
            x1, y1, x2, y2 = frame.camera.window
            assert max(x2 - x1, y2 - y1) == pytest.approx(1.0)


def photo_camera(**known: float) -> Camera:
    plate = Plate(file="a.jpg", width=960, height=640, **known)
    still = load_recipe("tiny", ["width=960", "height=640", "places.least_window=1.0"])
    return camera_for(plate, still, "c", np.random.default_rng(1))


def height_of_person(camera: Camera, distance: float) -> tuple[float, float]:
    """Return the row of the feet and the height in pixels of somebody straight ahead."""
    pixels, _ = camera.project(np.array([[0, 0, distance], [0, TALL, distance]]))
    return float(pixels[0, 1]), float(pixels[0, 1] - pixels[1, 1])


@pytest.mark.parametrize(("height", "horizon", "within"), [(1.5, 0.5, 1e-6), (3.0, 0.5, 1e-6), (1.5, 0.4, 0.03)])
@pytest.mark.parametrize("view", [50.0, 75.0])
@pytest.mark.parametrize("distance", [2.5, 4.0, 12.0])
def test_a_known_camera_gives_people_their_size(
    height: float, horizon: float, within: float, view: float, distance: float
) -> None:
    """Feet in row y: H (y - h0) / c pixels tall, exactly for a level camera, nearly for a tilted one."""
    camera = photo_camera(camera_height=height, horizon=horizon, field_of_view=view)
    row, tall = height_of_person(camera, distance)
    assert tall == pytest.approx(TALL * (row - horizon * 640) / height, rel=within)
    far, _ = camera.project(np.array([[0.0, height, 1e6]]))
    assert far[0, 1] == pytest.approx(horizon * 640, abs=0.01)


def test_two_given_examples_of_people_are_met() -> None:
    """Feet in row 608, 518.4 px tall, and in row 416, 172.8 px: horizon 320 px, camera 0.96 m high, by hand."""
    camera = photo_camera(camera_height=TALL * (608 - 416) / (518.4 - 172.8), horizon=320 / 640, field_of_view=60)
    assert camera.eye[1] == pytest.approx(0.9611, abs=1e-3)
    focal = 480 / np.tan(np.radians(30))
    for row, tall in ((608, 518.4), (416, 172.8)):
        feet, height = height_of_person(camera, focal * camera.eye[1] / (row - 320))
        assert feet == pytest.approx(row, abs=0.01)
        assert height == pytest.approx(tall, rel=1e-3)


def test_a_window_leaves_people_where_they_stand() -> None:
    plate = Plate(file="a.jpg", width=600, height=800, camera_height=2.0, horizon=0.3, field_of_view=55)
    for seed in range(20):
        camera = camera_for(plate, load_recipe("tiny"), "c", np.random.default_rng(seed))
        x1, y1, x2, y2 = camera.window
        assert 0 <= x1 < x2 <= 1
        assert 0 <= y1 < y2 <= 1
        # Pixels are square: the window has the picture's shape.
        assert (x2 - x1) * 600 / ((y2 - y1) * 800) == pytest.approx(camera.width / camera.height)


def test_ten_thousand_photographs_are_grouped_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personsearch.synth.plan.planner.find_plates", lambda folder: tuple(many_plates(10_000)))
    calls: list[int] = []
    real = sorted

    def counting(values, **more):  # noqa: ANN001, ANN003, ANN202
        values = list(values)
        calls.append(len(values))
        return real(values, **more)

    monkeypatch.setattr("personsearch.synth.plan.photographs.sorted", counting, raising=False)
    planned = plan(recipe(folder, "places.share=1.0"))
    frames = sum(len(job.frames) for job in planned)
    assert sum(calls) < 3 * 10_000 + 10 * frames
