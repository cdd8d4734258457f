import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from personsearch.cli.train import Preset
from personsearch.models import ModelConfig, preset_names
from personsearch.train.feature_maps import _on_people, draw_feature_maps, feature_maps
from tests.support import Run, toy_scene
from tests.train.imagenet import imagenet_file

PEOPLE = [(0, 10, 10), (1, 60, 20), (2, 115, 8)]
BOXES = [(x, y, x + 20, y + 60) for _, x, y in PEOPLE]


def test_maps_have_the_scene_s_shape_and_follow_the_start(tiny_config: ModelConfig, tmp_path: Path) -> None:
    imagenet_file(tmp_path / "net.pth", "resnet18_ibn_a")
    scene = toy_scene(PEOPLE)
    state = torch.random.get_rng_state()
    random, given, again = feature_maps(
        scene, tiny_config, {"random": None, "given": str(tmp_path / "net.pth"), "again": None}, BOXES
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert random.brightness.shape == (12, 20)  # 96x160 at stride 8
    assert (random.brightness.min(), random.brightness.max()) == (0, 1)
    assert np.array_equal(random.brightness, again.brightness)
    assert not np.array_equal(random.brightness, given.brightness)
    assert random.on_people is not None
    assert feature_maps(scene, tiny_config, {"random": None})[0].on_people is None
    picture = draw_feature_maps(scene, [random, given])
    assert picture.width > 3 * picture.height


def test_brightness_on_people_by_hand() -> None:
    brightness = np.full((4, 8), 0.25, np.float32)
    brightness[1:3, 2:4] = 1.0
    assert _on_people(brightness, [(20, 10, 40, 30)], (40, 80)) == pytest.approx(4.0)


def test_on_the_command_line(run: Run, toy_annotations: Path, tmp_path: Path) -> None:
    picture = tmp_path / "features.png"
    done = run(
        "train",
        "features",
        toy_annotations,
        "000.png",
        "--start",
        "shipped=stl-mrfp-small",
        "--save",
        picture,
        "--json",
    )
    assert done.code == 0, done.err
    assert set(json.loads(done.out)) == {"random", "shipped"}
    with Image.open(picture) as drawn:
        assert drawn.height > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.png",), "has no image 'none.png', but for example '000.png'"),
        (("000.png", "--start", "stl"), "write NAME=INIT"),
        (("000.png", "--preset", "big"), "'big' is not one of 'stl-mrfp-small', 'stl-mrfp-r50'"),
        (("000.png", "--save", "nowhere/map.png"), "there is no folder"),
    ],
)
def test_mistakes_on_the_command_line(
    arguments: tuple[str, ...], message: str, run: Run, toy_annotations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy_annotations.parent)
    done = run("train", "features", toy_annotations, *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())


def test_the_presets_listed_are_those_of_the_models() -> None:
    assert {preset.value for preset in Preset} == set(preset_names())
