"""Pictures that cannot be used: found, named, counted, and never lost without a word."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from personsearch.errors import DatasetError
from personsearch.train.crops import cut_crops
from personsearch.train.reading import LeftOut, Unusable, find_unusable, listed, read_scene, require_most
from tests.support import toy_set
from tests.train.runs import DAMAGES, scenes_of


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_set(tmp_path_factory.mktemp("toy"))


def test_a_picture_of_twice_or_half_the_size_is_refused_before_a_box_is_used(toy_annotations: Path) -> None:
    scenes = scenes_of(toy_annotations)
    for factor in (2, 0.5):
        size = (int(160 * factor), int(96 * factor))
        with Image.open(scenes[0].path) as picture:
            picture.resize(size).save(scenes[0].path)
        with pytest.raises(DatasetError, match=rf"000\.png: the picture is {size[0]}x{size[1]}, the annotations say"):
            read_scene(scenes[0])
        with pytest.raises(DatasetError, match=r"000\.png: the picture is .*data\.skip_bad=true.*--dry-run"):
            cut_crops(scenes, 32, 16)


@settings(max_examples=12, deadline=None)
@given(damage=st.dictionaries(st.integers(0, 7), st.sampled_from(sorted(DAMAGES)), max_size=4))
def test_kept_and_left_out_are_all_there_were(annotations: Path, damage: dict[int, str]) -> None:
    scenes = scenes_of(annotations)
    whole = {row: scenes[row].path.read_bytes() for row in damage}
    try:
        for row, kind in damage.items():
            DAMAGES[kind](scenes[row].path)
        names = [scenes[row].image_id for row in sorted(damage)]
        found = find_unusable(scenes, progress=False)
        assert [one.image_id for one in found] == names
        assert all(str(annotations.parent) in one.why for one in found)
        crops = cut_crops(scenes, 32, 16, may_skip={scene.image_id for scene in scenes})
        assert [one.image_id for one in crops.left_out] == names
        kept = {name.partition("#")[0] for name in crops.names}
        assert kept | set(names) == {scene.image_id for scene in scenes}
        assert not kept & set(names)
        assert len(crops) == 2 * len(kept)
        if damage:
            with pytest.raises(DatasetError, match="skip_bad"):
                cut_crops(scenes, 32, 16)
    finally:
        for row, data in whole.items():
            scenes[row].path.write_bytes(data)


def test_more_than_half_is_too_many(toy_annotations: Path) -> None:
    scenes = scenes_of(toy_annotations)
    may_skip = {scene.image_id for scene in scenes}
    for scene in scenes[:4]:
        scene.path.unlink()
    assert len(cut_crops(scenes, 32, 16, may_skip=may_skip).left_out) == 4
    scenes[4].path.unlink()
    with pytest.raises(DatasetError, match=r"5 of 8 pictures cannot be used, 000\.png, .*check where the images are"):
        cut_crops(scenes, 32, 16, may_skip=may_skip)
    require_most([], 0)


def test_each_picture_is_reported_once_and_all_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    left_out = LeftOut()
    with caplog.at_level(logging.WARNING, "personsearch"):
        for _ in range(2):
            left_out.note([Unusable("a", "a.jpg: no such file"), Unusable("b", "b.jpg: empty")])
            left_out.share([left_out.new, {"c": "c.jpg: no such file"}], of=100)
    assert list(left_out.why) == ["a", "b", "c"]
    assert [record.getMessage() for record in caplog.records] == [
        f"left out: {why}" for why in ("a.jpg: no such file", "b.jpg: empty", "c.jpg: no such file")
    ]
    assert left_out.summary() == "3 pictures could not be used and were left out: a, b, c"
    assert listed([str(n) for n in range(7)]) == "0, 1, 2, 3, 4 and 2 more"
