"""Indexing with Ray's workers: what one process makes of the same pictures, whoever dies meanwhile."""

from __future__ import annotations

import doctest
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import ray
import ray.data
from moto.server import ThreadedMotoServer

from personsearch import Gallery, PersonSearcher
from personsearch.errors import ConfigError, GalleryMismatchError, ImageError
from personsearch.models import ModelConfig, build
from personsearch.scale import index
from personsearch.weights.files import save_folder
from tests.scale.help import Trap, album, kill, let_go_and_kill, rows, wait
from tests.support import Run, toy_scene, video

# Ray reads settings of its own that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")

BUCKET = "pictures"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A server that speaks S3, named by the environment of all processes that are started from here."""
    with pytest.MonkeyPatch.context() as patch:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client
        client.close()
        server.stop()


@pytest.fixture(scope="module", autouse=True)
def cluster(s3: Any) -> Iterator[str]:
    """A Ray of two cores, as a caller may have started it; its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield context.address_info["gcs_address"]
        assert ray.is_initialized()  # nobody ended what was not theirs
        ray.shutdown()


@pytest.fixture(scope="module")
def weights(tiny_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.manual_seed(0)
    return save_folder(tmp_path_factory.mktemp("weights"), tiny_config, build(tiny_config).state_dict())


@pytest.fixture
def searcher(weights: Path) -> PersonSearcher:
    return PersonSearcher.from_pretrained(weights, device="cpu")


def test_a_worker_is_killed_and_nothing_is_lost_or_stored_twice(
    run: Run, weights: Path, searcher: PersonSearcher, tmp_path: Path
) -> None:
    pictures = album(tmp_path / "photos", 16)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (tmp_path / "photos" / "bad.mp4").write_bytes(b"no video")
    clip = video(tmp_path / "photos" / "clip.mp4")
    inputs = [*pictures.values(), clip, clip.with_name("bad.jpg"), clip.with_name("bad.mp4")]
    cameras = {str(pictures["03.png"]): "door", str(clip): "yard", "none.png": "roof"}
    times = {str(pictures["03.png"]): 7.5, str(clip): 100.0}
    sidecar = tmp_path / "side.csv"
    lines = [f"{name},{camera},{times.get(name, '')}" for name, camera in cameras.items()]
    sidecar.write_text("\n".join(["image_id,camera,time", *lines]))
    trap = Trap(pictures["07.png"], let_go_and_kill)
    options = ("--workers", 2, "--batch-size", 1, "--every", 10, "--sidecar", sidecar, "--weights", weights, "--json")
    done = run("index", *inputs, tmp_path / "ray", "--on", "ray", *options)
    assert done.code == 1, done.err  # something was refused
    assert len(trap.pids) == 1
    assert trap.sprung
    report = json.loads(done.out)
    assert (report["added"], report["people"], report["skipped"]) == (18, 90, 0)  # 16 pictures, 2 frames; 5 people each
    assert [Path(name).name for name, _ in report["failed"]] == ["bad.jpg", "bad.mp4"]
    assert "bad.jpg: cannot be read as an image" in report["failed"][0][1]
    assert report["unmatched"] == ["none.png"]
    alone = searcher.index(inputs, tmp_path / "alone", batch_size=1, every=10, cameras=cameras, times=times)
    assert (alone.added, alone.people, alone.unmatched) == (18, 90, ("none.png",))
    assert sorted(map(list, alone.failed)) == sorted(report["failed"])
    stored = rows(tmp_path / "ray")
    assert len(stored) == 18
    assert stored == rows(tmp_path / "alone")
    # Either continues what the other began.
    again = searcher.index(inputs, tmp_path / "ray", every=10, cameras=cameras, times=times)
    assert (again.added, again.skipped, len(again.failed)) == (0, 18, 2)


@pytest.mark.slow
def test_from_a_bucket_to_an_engine_with_writers_by_the_command(
    run: Run, s3: Any, weights: Path, searcher: PersonSearcher, tmp_path: Path
) -> None:
    pictures = album(tmp_path / "photos", 12)
    for name, path in pictures.items():
        s3.upload_file(str(path), BUCKET, f"site/a/{name}")
    s3.upload_file(str(video(tmp_path / "clip.mp4")), BUCKET, "site/clip.mp4")
    s3.put_object(Bucket=BUCKET, Key="site/a/bad.jpg", Body=b"\xff\xd8\xff no picture")
    s3.put_object(Bucket=BUCKET, Key="site/notes.txt", Body=b"no picture")
    gallery = f"lance://{tmp_path}/people"
    arguments = ("index", f"s3://{BUCKET}/site", gallery, "--on", "ray", "--weights", weights, "--json", "--every", 10)
    done = run(*arguments, "--workers", 1, "--writers", 1, "--batch-size", 1)
    assert done.code == 1, done.err
    report = json.loads(done.out)
    assert (report["added"], report["people"], report["passed_over"]) == (14, 70, {".txt": 1})
    [(name, reason)] = report["failed"]
    assert (name, reason.split(": ")[0]) == ("a/bad.jpg", f"s3://{BUCKET}/site/a/bad.jpg")
    local = {f"a/{name}": path for name, path in pictures.items()} | {"clip.mp4": tmp_path / "clip.mp4"}
    searcher.index(local, tmp_path / "alone", batch_size=1, every=10)
    expected = [row[:3] + row[4:] for row in rows(tmp_path / "alone")]
    assert [row[:3] + row[4:] for row in rows(gallery)] == expected
    with Gallery.open(gallery, mode="r") as opened:
        assert opened.scene("a/00.png").extra["url"] == f"s3://{BUCKET}/site/a/00.png"
        assert opened.scene("clip.mp4#t=0.000").extra.keys() == {"sha256", "url"}
    only = ("index", f"s3://{BUCKET}/site/a/*.png", gallery, "--prefix", "a", *arguments[3:])
    again = json.loads(run(*only, "--by-name").out)
    assert (again["added"], again["skipped"], again["failed"]) == (0, 12, [])


@pytest.mark.slow
@pytest.mark.parametrize("engine", [False, True])
def test_a_dataset_of_bytes_and_paths(engine: bool, weights: Path, tmp_path: Path) -> None:
    pictures = album(tmp_path / "photos", 6)
    table = [
        {"image_id": name, "bytes": path.read_bytes(), "camera": "door", "time": float(number), "other": 1}
        for number, (name, path) in enumerate(pictures.items())
    ]
    gallery = f"lance://{tmp_path}/people" if engine else str(tmp_path / "ray")
    dataset = ray.data.from_items(table[:3])
    before = dataset.context.max_errored_blocks, dataset.context.target_max_block_size
    report = index(dataset, gallery, weights=weights)
    assert (report.added, report.people, report.failed) == (3, 15, ())
    assert (dataset.context.max_errored_blocks, dataset.context.target_max_block_size) == before
    report = index(ray.data.from_items(table), gallery, weights=weights)
    assert (report.added, report.skipped) == (3, 3)
    with Gallery.open(gallery, mode="r") as opened:
        scene = opened.scene("02.png")
        assert (scene.camera, scene.time) == ("door", 2.0)
    paths = ray.data.from_items(
        [{"path": str(path), "image_id": name} for name, path in pictures.items()] + [{"path": None, "image_id": "a"}]
    )
    report = index(paths, gallery, weights=weights)
    assert (report.skipped, [name for name, _ in report.failed]) == (6, ["a"])
    assert "a row of the Dataset has no picture or no name" in report.failed[0][1]
    with pytest.raises(ImageError, match="has the columns id; it needs 'path', or"):
        index(ray.data.range(3), tmp_path / "none", weights=weights)
    with pytest.raises(ConfigError, match="a Dataset has columns"):
        index(paths, gallery, weights=weights, prefix="x")


DRIVER = """
import json, os, sys, torch
torch.set_num_threads(1)
from personsearch.scale import index
images, gallery, weights = json.loads(sys.argv[1])
index(images, gallery, weights=weights, workers=2, batch_size=1)
"""


@pytest.mark.slow
def test_the_process_that_stores_is_killed_and_the_same_call_continues(
    cluster: str, weights: Path, searcher: PersonSearcher, tmp_path: Path
) -> None:
    pictures = album(tmp_path / "photos", 32)
    trap = Trap(pictures["31.png"], wait)
    arguments = [{name: str(path) for name, path in pictures.items()}, str(tmp_path / "ray"), str(weights)]
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(arguments)], env={**os.environ, "RAY_ADDRESS": cluster}
    )
    try:
        done = 0
        while done < 8:
            assert driver.poll() is None
            time.sleep(0.2)
            if (tmp_path / "ray" / "gallery.sqlite").exists():
                with Gallery.open(tmp_path / "ray", mode="r") as opened:
                    done = opened.num_images
        assert done < 32
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    trap.open()
    with Gallery.open(tmp_path / "ray", mode="r") as opened:
        acknowledged = opened.num_images
    report = index(arguments[0], tmp_path / "ray", weights=weights, workers=2, batch_size=1)
    assert (report.added, report.skipped, report.failed) == (32 - acknowledged, acknowledged, ())
    searcher.index(pictures, tmp_path / "alone", batch_size=1)
    assert rows(tmp_path / "ray") == rows(tmp_path / "alone")


@pytest.mark.slow
def test_a_picture_that_ends_whoever_looks_at_it_is_left_out(weights: Path, tmp_path: Path) -> None:
    pictures = album(tmp_path / "photos", 4)
    trap = Trap(pictures["02.png"], kill)
    report = index(pictures, tmp_path / "ray", weights=weights, workers=1, batch_size=4)
    assert len(trap.pids) == 3
    assert report.failed == (
        ("02.png", "every process that looked at it died (out of memory, or its decoder crashed); it was left out"),
    )
    assert report.added == 3
    trap.open()
    assert index(pictures, tmp_path / "ray", weights=weights, workers=1).added == 1


def test_other_weights_are_refused(weights: Path, tiny_config: ModelConfig, tmp_path: Path) -> None:
    other = save_folder(tmp_path / "other", tiny_config, build(tiny_config).state_dict())
    pictures = album(tmp_path / "photos", 1)
    PersonSearcher.from_pretrained(other, device="cpu").index(pictures, tmp_path / "g")
    with pytest.raises(GalleryMismatchError, match="weights"):
        index(pictures, tmp_path / "g", weights=weights)


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(2):
        toy_scene([(0, 10, 10), (1, 60, 20)], seed=number).save(tmp_path / "photos" / f"{number}.jpg")
    [test] = doctest.DocTestFinder(recurse=False).find(index, "example", globs={})
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert test.examples
    assert runner.summarize(verbose=False).failed == 0, "see the output above"
