from pathlib import Path

import numpy as np
import pytest

from personsearch.datasets import Dataset
from personsearch.measure import side_by_side
from personsearch.measure.cropped import CropEmbedder
from personsearch.measure.side_by_side import Pace, Parameters, boxes_only, pace_of, parameters_of
from personsearch.models import ModelConfig, build, preset
from personsearch.pictures.decode import load_image
from tests.measure.cascades import keen


def with_pooling(name: str, pooling: str) -> ModelConfig:
    config = preset(name)
    return config.model_copy(update={"reid": config.reid.model_copy(update={"pooling": pooling})})


@pytest.mark.parametrize(
    ("name", "pooling", "one_step", "detection", "reid"),
    [
        ("stl-mrfp-r50", "roialign", 52_653_702, 30_586_502, 23_512_128),
        ("stl-mrfp-r50", "mrfp", 53_873_286, 30_586_502, 23_512_128),
        ("stl-mrfp-small", "roialign", 13_007_110, 2_512_646, 11_177_536),
        ("stl-mrfp-small", "mrfp", 13_532_678, 2_512_646, 11_177_536),
    ],
)
def test_parameters(name: str, pooling: str, one_step: int, detection: int, reid: int) -> None:
    """Counted once, independently of this code."""
    config = with_pooling(name, pooling)
    assert parameters_of(config, config) == Parameters(one_step=one_step, detection=detection, reid=reid)


def test_behind_another_detector_nobody_s_own_counts() -> None:
    config = preset("stl-mrfp-small")
    counted = parameters_of(config, config, own_detector=False)
    network = build(config)
    detector = sum(parameter.numel() for parameter in network.detector.parameters())
    assert counted == Parameters(one_step=13_532_678 - detector, detection=0, reid=11_177_536)
    assert counted.text().endswith("11,177,536 in two steps, both without the detector, which is not ours")


@pytest.mark.parametrize("fast", [False, True])
def test_detecting_without_embedding_finds_the_same_boxes(tiny_config: ModelConfig, data: Dataset, fast: bool) -> None:
    searcher = keen(tiny_config, fast=fast)
    found = 0
    for scene in data.scenes[:3]:
        for threshold in (0.5, 0.8):
            expected = searcher.detect(scene.path, threshold=threshold).boxes
            np.testing.assert_allclose(boxes_only(searcher, load_image(scene.path), threshold), expected, atol=1e-3)
            found += len(expected) * (1 if threshold < 0.6 else 1000)
    assert found % 1000 > found // 1000 > 0  # and the threshold counts


def test_both_systems_are_timed_on_the_same_pictures_by_turns(
    tiny_config: ModelConfig, data: Dataset, reid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that every look moves on by what the looking system takes: one step 3 s, two steps 5 s."""
    searcher, embedder = keen(tiny_config), CropEmbedder.from_folder(reid, device="cpu")
    detect, embed = searcher.detect, embedder.embed_boxes
    now, order = [0.0], []

    def one(path: Path, **settings: float) -> object:
        now[0] += 3
        order.append((1, path.name))
        return detect(path, **settings)  # type: ignore[call-overload]

    def two(picture: np.ndarray, boxes: np.ndarray) -> object:
        now[0] += 5
        order.append((2, ""))
        return embed(picture, boxes)

    monkeypatch.setattr(searcher, "detect", one)
    monkeypatch.setattr(embedder, "embed_boxes", two)
    monkeypatch.setattr(side_by_side.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(side_by_side, "SAMPLE", 3)
    pace = pace_of(searcher, embedder, data.scenes, 0.5)
    assert (pace.one_step, pace.two_step, pace.pictures) == (3, 5, 3)
    assert [system for system, _ in order] == [1, 2, 2, 1, 1, 2, 2, 1]  # the first two are not counted
    assert [name for _, name in order if name] == ["000.png", "000.png", "002.png", "005.png"]
    people = [len(detect(data.scenes[number].path, threshold=0.5)) for number in (0, 2, 5)]
    assert pace.people == pytest.approx(sum(people) / 3)
    monkeypatch.setattr(side_by_side, "SAMPLE", 6)
    monkeypatch.setattr(side_by_side, "SECONDS", 30)
    assert pace_of(searcher, embedder, data.scenes, 0.5).pictures == 4  # 8 seconds each


def test_a_pace_says_what_was_timed_and_where() -> None:
    pace = Pace(
        pictures=32,
        people=7.04,
        one_step=0.3254,
        two_step=0.367,
        detector=True,
        computed_on="cpu float32",
        threads=2,
    )
    assert pace.text() == (
        "time for a picture: 325 ms in one step, 367 ms in two with cutting (medians of 32 pictures with 7.0 people on "
        "average, by turns, one at a time; cpu float32, 2 threads)"
    )
