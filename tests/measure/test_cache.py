import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personsearch.datasets import Scene
from personsearch.evaluation.observations import Observations
from personsearch.measure import cache
from personsearch.results import Detections

WEIGHTS = "f" * 64


def observations(counts: list[tuple[int, int]], dim: int = 4) -> Observations:
    rng = np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    names = [f"dir/{number}.jpg" for number in range(len(counts))]
    return Observations(
        weights=WEIGHTS,
        detections={
            name: Detections(
                boxes=numbers(people, 4),
                scores=numbers(people),
                embeddings=numbers(people, dim),
                image_size=(60 + number, 80),
                image_id=name,
            )
            for number, (name, (people, _)) in enumerate(zip(names, counts, strict=True))
        },
        boxes={name: numbers(given, 4) for name, (_, given) in zip(names, counts, strict=True)},
        embeddings={name: numbers(given, dim) for name, (_, given) in zip(names, counts, strict=True)},
        seconds=12.5,
        computed_on="cpu float32",
    )


def scene_at(path: Path, boxes: list[list[float]], identities: list[int]) -> Scene:
    return Scene(
        image_id=path.name,
        path=path,
        width=80,
        height=60,
        camera=None,
        time=None,
        place=None,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        identities=np.array(identities, np.int64),
        ignore=np.zeros(len(boxes), bool),
    )


@settings(max_examples=20, deadline=None)
@given(counts=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=5))
def test_what_was_saved_is_read_again(tmp_path_factory: pytest.TempPathFactory, counts: list[tuple[int, int]]) -> None:
    folder = tmp_path_factory.mktemp("cache")
    observed = observations(counts)
    cache.save(folder, "k", observed)
    again = cache.load(folder, "k", WEIGHTS)
    assert again is not None
    assert list(again.detections) == list(observed.detections)
    assert (again.weights, again.seconds, again.computed_on) == (WEIGHTS, 12.5, "cpu float32")
    for name, people in observed.detections.items():
        read = again.detections[name]
        assert (read.image_size, read.image_id) == (people.image_size, name)
        for field in ("boxes", "scores", "embeddings"):
            np.testing.assert_array_equal(getattr(read, field), getattr(people, field))
        np.testing.assert_array_equal(again.boxes[name], observed.boxes[name])
        np.testing.assert_array_equal(again.embeddings[name], observed.embeddings[name])
    assert [path.name for path in folder.iterdir()] == ["k.safetensors"]


def test_nothing_is_loaded_from_a_missing_folder(tmp_path: Path) -> None:
    assert cache.load(tmp_path / "no", "k", WEIGHTS) is None


@pytest.mark.parametrize("where", [0, 9, 100, -1])
def test_a_changed_byte_is_noticed(tmp_path: Path, where: int, caplog: pytest.LogCaptureFixture) -> None:
    cache.save(tmp_path, "k", observations([(2, 1), (0, 3)]))
    path = tmp_path / "k.safetensors"
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    assert cache.load(tmp_path, "k", WEIGHTS) is None
    assert f"{path}: damaged" in caplog.text


@pytest.mark.parametrize("length", [0, 5, 60, 400])
def test_a_truncated_file_is_noticed(tmp_path: Path, length: int, caplog: pytest.LogCaptureFixture) -> None:
    cache.save(tmp_path, "k", observations([(2, 1), (0, 3)]))
    path = tmp_path / "k.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    assert cache.load(tmp_path, "k", WEIGHTS) is None
    assert "running the network again" in caplog.text


def test_a_renamed_file_is_refused(tmp_path: Path) -> None:
    cache.save(tmp_path, "k", observations([(1, 1)]))
    (tmp_path / "k.safetensors").rename(tmp_path / "other.safetensors")
    assert cache.load(tmp_path, "other", WEIGHTS) is None


def test_an_unwritable_folder_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    cache.save(tmp_path / "file" / "cache", "k", observations([(1, 1)]))
    assert "cannot be written" in caplog.text


def test_the_key_changes_only_with_what_a_network_sees(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"12345")
    first = scene_at(picture, [[1, 2, 3, 4]], [7])
    key = cache.key_of([first], {"weights": "w", "threshold": 0.05})
    assert key == cache.key_of([scene_at(picture, [[1, 2, 3, 4]], [-1])], {"weights": "w", "threshold": 0.05})
    assert key != cache.key_of([scene_at(picture, [[1, 2, 3, 5]], [7])], {"weights": "w", "threshold": 0.05})
    assert key != cache.key_of([first], {"weights": "other", "threshold": 0.05})
    assert key != cache.key_of([first], {"weights": "w", "threshold": 0.5})
    assert key != cache.key_of([first, first], {"weights": "w", "threshold": 0.05})
    picture.write_bytes(b"54321")  # as long, but written later
    os.utime(picture, ns=(1, picture.stat().st_mtime_ns + 1_000_000))
    assert key != cache.key_of([first], {"weights": "w", "threshold": 0.05})


def test_environment_variables_name_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERSONSEARCH_CACHE", str(tmp_path))
    assert cache.default_folder() == tmp_path / "observations"
    monkeypatch.delenv("PERSONSEARCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache.default_folder() == tmp_path / "x" / "personsearch" / "observations"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.default_folder() == Path.home() / ".cache" / "personsearch" / "observations"
