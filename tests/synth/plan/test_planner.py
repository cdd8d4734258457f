"""Recipes, cameras, walks and the plan of a set."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from personsearch.errors import ConfigError
from personsearch.synth.cameras import Camera
from personsearch.synth.people.identity import GROUP
from personsearch.synth.plan import plan
from personsearch.synth.plan.planner import _long_tail
from personsearch.synth.plan.viewpoints import FREE, blocked, free_share, in_obstacle
from personsearch.synth.plan.walks import Passage, seen
from personsearch.synth.recipe import Recipe, describe_recipes, load_recipe, recipe_names
from personsearch.synth.world import build_world
from tests.synth.conftest import bare_world

SMALL = [
    "train.identities=24",
    "train.scenes=2",
    "train.frames=8",
    "test.identities=12",
    "test.scenes=2",
    "test.frames=8",
]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("street-small", SMALL)


@pytest.fixture(scope="module")
def jobs(recipe: Recipe) -> tuple:
    return plan(recipe)


def test_recipes_of_the_package_load_and_say_what_they_are_for() -> None:
    assert set(describe_recipes()) == set(recipe_names()) >= {"street-small", "mixed", "tiny", "prw-like", "cuhk-like"}
    for name in recipe_names():
        assert load_recipe(name).width % 32 == 0
        assert len(describe_recipes()[name]) > 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("peple.spread=1", "people"),
        ('kinds=["beach"]', "has unknown beach; choose from street, plaza, park, hall"),
        ("people.per_frame=[9, 3]", r"people.per_frame must be two or more numbers above 0 in ascending order"),
        ("people.heights=[0.2, 0.2, 0.5]", r"people.heights are shares .* each must exceed the last"),
        ("people.heights=[0.2, 1.5]", r"people.heights are shares .* up to 1"),
        ("people.appearances=[5]", r"people.appearances must be two or more numbers"),
        ("people.labelled=[0, 2]", r"people.labelled must be two or more numbers above 0"),
        ("cameras.hand_held=true", r"cameras.per_scene must be 1 where cameras.hand_held"),
        ("train.frames=1", "train.frames"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe("tiny", [change])


def test_the_same_recipe_gives_the_same_plan(recipe: Recipe, jobs: tuple) -> None:
    assert plan(recipe) == jobs
    assert plan(load_recipe("street-small", [*SMALL, "seed=9"])) != jobs


def test_splits_share_nobody_and_nothing(jobs: tuple) -> None:
    for what in ("scene", "camera", "world_seed", "sensor_seed"):
        train, test = ({getattr(job, what) for job in jobs if job.split == split} for split in ("train", "test"))
        assert train.isdisjoint(test)
    groups = defaultdict(set)
    for job in jobs:
        for frame in job.frames:
            groups[job.split] |= {one.seed // GROUP for one in frame.appearances}
    assert groups["train"].isdisjoint(groups["test"])


def test_names_are_unique_and_times_rise(jobs: tuple) -> None:
    names = Counter(frame.name for job in jobs for frame in job.frames)
    assert max(names.values()) == 1
    for job in jobs:
        assert (np.diff([frame.time for frame in job.frames]) > 0).all()
        assert [frame.light for frame in job.frames] == [0] * 4 + [1] * 4
        assert job.frames[4].time - job.frames[3].time > 3600


def test_all_cameras_of_a_scene_see_the_same_person_at_the_same_place(jobs: tuple) -> None:
    places: dict[tuple, set] = defaultdict(set)
    for job in jobs:
        for frame in job.frames:
            for one in frame.appearances:
                places[job.scene, frame.time, one.seed].add((one.position, one.heading, one.phase, one.outfit))
    assert all(len(place) == 1 for place in places.values())
    seen_by_several = Counter(
        (job.scene, frame.time, one.seed) for job in jobs for frame in job.frames for one in frame.appearances
    )
    assert max(seen_by_several.values()) > 1


def test_nobody_stands_in_a_thing_or_in_somebody(jobs: tuple) -> None:
    for job in jobs:
        world = build_world(job.kind, job.world_seed)
        for frame in job.frames:
            places = np.array([one.position for one in frame.appearances]).reshape(-1, 2)
            assert not in_obstacle(world, places, 0.24).any()
            apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) + 9 * np.eye(len(places))
            assert apart.min(initial=9) > 0.5
            assert len({one.seed for one in frame.appearances}) == len(places)


def test_frames_are_as_full_as_the_recipe_says(recipe: Recipe, jobs: tuple) -> None:
    counts = []
    for job in jobs:
        for frame in job.frames:
            places = np.array([one.position for one in frame.appearances]).reshape(-1, 2)
            counts.append(int(seen(frame.camera, places).sum()) if len(places) else 0)
    low, high = recipe.people.per_frame
    assert low <= np.median(counts) <= high
    assert np.mean(np.array(counts) <= high + 3) > 0.9


def test_every_identity_appears_and_most_in_several_cameras(recipe: Recipe, jobs: tuple) -> None:
    for split, wanted in (("train", recipe.train.identities), ("test", recipe.test.identities)):
        cameras: dict[int, set] = defaultdict(set)
        unlabelled: Counter = Counter()
        for job in jobs:
            for frame in job.frames if job.split == split else ():
                for one in frame.appearances:
                    if one.label >= 0:
                        cameras[one.label].add(job.camera)
                    else:
                        unlabelled[one.seed] += 1
        assert len(cameras) >= 0.9 * wanted
        assert np.mean([len(several) > 1 for several in cameras.values()]) > 0.8
        assert unlabelled


def test_the_long_tail_sums_to_its_total_and_keeps_its_bounds() -> None:
    recipe = load_recipe("mixed")
    counts = _long_tail(recipe, recipe.train, 600 * 30, np.random.default_rng(0))
    assert counts.sum() == pytest.approx(600 * 30, rel=0.03)
    low, high = recipe.people.appearances
    assert low <= counts.min()
    assert counts.max() <= high
    assert np.percentile(counts, 95) > 4 * np.median(counts) / 2  # a tail, not a bell


def test_people_change_clothes_between_the_sessions_where_it_is_asked_for() -> None:
    jobs = plan(load_recipe("tiny", ["people.clothes_change=1.0"]))
    outfits = defaultdict(set)
    for job in jobs:
        for frame in job.frames:
            for one in frame.appearances:
                if one.label >= 0:
                    outfits[frame.light].add(one.outfit)
    assert outfits == {0: {0}, 1: {1}}


def test_a_walk_by_hand() -> None:
    walk = Passage(
        seed=1, label=1, outfit=0, start=(1.0, 2.0), velocity=(0.0, 1.45), heading=0.0, since=10.0, act=0, thing=""
    )
    assert walk.at(np.array([10.0, 12.0])) == pytest.approx(np.array([[1, 2], [1, 4.9]]))
    # 1.45 m a second is one cycle of two steps a second.
    assert walk.appearance(10.25).phase == pytest.approx(0.25)
    assert walk.appearance(12.0).phase == pytest.approx(0.0, abs=1e-9)


def test_sight_is_blocked_by_what_stands_between_and_not_by_what_is_below_or_behind() -> None:
    world = bare_world()
    obstacles = np.array([[0, 5, 0.5, 0, 2], [3, 5, 0.5, 3, 6]], np.float32)
    world = type(world)(**{**world.__dict__, "obstacles": obstacles})
    eye = np.array([0.0, 1.5, 10.0])
    points = np.array([[0, 1.2, 0], [0, 1.2, 6.5], [2, 1.2, 0], [3, 1.2, 3]])
    assert blocked(world, eye, points).tolist() == [True, False, False, False]
    above = np.array([0.0, 9.0, 10.0])
    assert not blocked(world, above, np.array([[0, 1.2, 0]]))[0]  # over the thing's top
    assert blocked(world, np.array([3.0, 4.0, 10]), np.array([[3, 4.0, 0]]))[0]  # through a crown
    camera = Camera(name="c", eye=(0, 1.5, 6.5), target=(0, 1.2, 0), field_of_view=60, width=96, height=64, aspect=1.5)
    assert free_share(world, camera) == 0.0  # the lens looks into it


def test_cameras_look_where_people_walk(jobs: tuple) -> None:
    shares = [free_share(build_world(job.kind, job.world_seed), job.frames[0].camera) for job in jobs]
    assert min(shares) >= 0.5
    assert np.mean(np.array(shares) >= FREE) > 0.9
    heights = [job.frames[0].camera.eye[1] for job in jobs]
    assert min(heights) >= 2.0
    assert max(heights) <= 8.0


def test_nobody_opens_an_umbrella_indoors() -> None:
    carried = defaultdict(set)
    for job in plan(load_recipe("tiny", ["people.things=1.0"])):
        carried[job.kind] |= {one.companion_thing for frame in job.frames for one in frame.appearances}
    assert "umbrella" in carried["plaza"]
    assert "umbrella" not in carried["hall"]
