"""The command that fills a gallery, from end to end."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from personsearch import PersonSearcher
from tests.support import Run, toy_scene, video

PEOPLE = [(0, 10, 10), (1, 60, 20), (2, 115, 8)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", "/nowhere", "new"), "/nowhere: no such folder, file or glob"),
        (("index", "P", "P"), "holds pictures (0.png) and no gallery; the gallery's folder comes last"),
        (("index", "P", "Q"), "0.png: is a file, not a gallery"),
        (("index", "P", "P/*.png"), "looks like a glob, not like a gallery"),
        (("index", "P", "new", "--sidecar", "/nowhere.csv"), "/nowhere.csv: cannot be read"),
        (("index", "P"), "give the images first and the gallery's folder last"),
        (("index", "P", "new", "--boxes", "/nowhere.json"), "/nowhere.json: cannot be read"),
        (("index", "P", "new", "--boxes", "Q"), "0.png: is not JSON"),
        (("index", "P", "new", "--boxes", "Q", "--crops"), "give --crops or --boxes, not both"),
        (("index", "P", "new", "--boxes-images", "Q"), "give that with --boxes"),
    ],
)
def test_input_is_checked_before_the_network_is_loaded(
    arguments: tuple[str, ...], message: str, run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PersonSearcher, "from_pretrained", lambda *_, **__: pytest.fail("the network was loaded"))
    given = {"Q": photos / "0.png", "P": photos, "P/*.png": photos / "*.png"}
    done = run(*[given.get(argument, argument) for argument in arguments])
    assert done.code == 2
    assert message in done.err.replace("\n", " ")


def test_index_a_video(run: Run, weights: Path, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4")
    done = run("index", clip, tmp_path / "g", "--every", 10, "--weights", weights, "--json")
    assert json.loads(done.out)["added"] == 2
    search = run("search", tmp_path / "g", clip.with_name("q.png"), "--weights", weights)
    assert (search.code, search.out) == (2, "")
    assert "q.png: no such file" in search.err


def test_a_table_of_cameras_that_matches_in_part(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    sidecar = tmp_path / "side.csv"
    sidecar.write_bytes("\ufeffimage_id;camera\r\n0.png;door\r\nphotos/1.png;yard\r\n".encode())
    index = ("index", photos, tmp_path / "g", "--weights", weights)
    assert run(*index).code == 0
    done = run(*index, "--sidecar", sidecar)
    assert done.code == 1
    assert "1 of those have another camera or time now" in done.out
    assert "1 of the image_ids given with a camera or a time match no image" in done.err.replace("\n", " ")
    assert "photos/1.png" in done.err
    sidecar.write_text("image_id,camera\n0.png,door\n1.png,yard\n")
    assert run(*index, "--sidecar", sidecar).code == 0
    query = ("search", tmp_path / "g", photos / "0.png", "--box", "10,10,30,70", "--weights", weights, "--json")
    assert {m["image_id"] for m in json.loads(run(*query, "--camera", "yard").out)["matches"]} == {"1.png"}


def test_folders_with_equal_names(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    toy_scene(PEOPLE, seed=9).save(other / "0.png")
    one = run("index", photos, tmp_path / "g", "--weights", weights)
    two = run("index", other, tmp_path / "g", "--weights", weights)
    assert (one.code, two.code) == (0, 1)
    said = two.err.replace("\n", " ")
    assert f"{other / '0.png'}: the gallery holds other content under the name '0.png' already" in said
    assert str(photos / "0.png") in said
    assert run("index", other, tmp_path / "g", "--weights", weights, "--prefix", "other").code == 0
    assert run("index", photos, other, tmp_path / "both", "--weights", weights).code == 0
    info = json.loads(run("gallery", "info", tmp_path / "both", "--json").out)
    assert info["images"] == 4
    saved = run("detect", photos / "0.png", other / "0.png", "--weights", weights, "--save", tmp_path / "d")
    assert saved.code == 0
    assert (tmp_path / "d" / "photos" / "0.png").is_file()
    assert (tmp_path / "d" / "other" / "0.png").is_file()
    assert "2 pictures in" in saved.out


def test_a_damaged_video_is_said_and_the_status_is_1(run: Run, weights: Path, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.ts", frames=40)
    data = bytearray(clip.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    clip.write_bytes(data)
    done = run("index", clip, tmp_path / "g", "--weights", weights, "--every", 4)
    assert done.code == 1
    assert "clip.ts: " in done.err
    assert "damaged" in done.err
    assert "1 read in part, because damaged" in done.err


def test_people_are_followed_through_videos(run: Run, weights: Path, tmp_path: Path) -> None:
    clip = tmp_path / "walk.mkv"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "bgr0"
        for number in range(6):
            picture = toy_scene([(0, 10 + number, 10), (1, 100 - number, 20)], seed=number)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())
    index = ("index", clip, tmp_path / "g", "--weights", weights)
    assert run(*index, "--tracks", "--crops").code == 2
    done = run(*index, "--tracks")
    assert done.code == 0
    report = json.loads(run("index", clip, tmp_path / "other", "--weights", weights, "--tracks", "--json").out)
    assert f"{report['tracks']} tracks of people who were followed, at most 3 views of each" in done.out
    refused = run(*index)
    assert refused.code == 1
    assert "holds this video as tracks already; index it with --tracks" in refused.err.replace("\n", " ")
    assert run(*index, "--replace").code == 0


def test_the_people_of_a_file_of_results(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    results, annotations = tmp_path / "results.json", tmp_path / "annotations.json"
    results.write_text(json.dumps([{"image_id": 7, "category_id": 1, "bbox": [10, 10, 20, 60], "score": 0.5}]))
    index = ("index", photos, tmp_path / "g", "--weights", weights, "--boxes", results)
    done = run(*index)
    assert (done.code, done.out) == (2, "")
    assert "row 0: image_id 7 is a number; give the annotation file" in done.err.replace("\n", " ")
    images = [{"id": 7 + number, "file_name": f"{number}.png", "width": 160, "height": 96} for number in range(3)]
    annotations.write_text(json.dumps({"images": images, "categories": [{"id": 1, "name": "person"}]}))
    report = json.loads(run(*index, "--boxes-images", annotations, "--json").out)
    assert (report["added"], report["people"], report["without_row"], report["complete"]) == (3, 1, 0, True)
    results.write_text(json.dumps([{"image_id": "0.png", "bbox": [10, 10, 20, 60], "score": 0.5}]))
    done = run("index", photos, tmp_path / "other", "--weights", weights, "--boxes", results)
    assert "3 scenes added with 1 person, 0 there already" in done.out
    assert "2 scenes without a row in the file of detections, so with nobody" in done.out
    plain = run("index", photos, tmp_path / "other", "--weights", weights)
    assert plain.code == 1
    assert "the gallery holds this picture with boxes that were given already" in plain.err.replace("\n", " ")
