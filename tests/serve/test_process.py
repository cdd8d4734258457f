"""``personsearch serve`` as a process: what it says, that it ends cleanly, and that SIGKILL loses nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.demo import demo_folder
from tests.serve.support import scene_png

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"


@pytest.fixture(scope="module")
def weights(tiny: PersonSearcher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_pretrained(tmp_path_factory.mktemp("weights"))


@contextmanager
def process(*arguments: object, **environment: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client, str]]:
    """Start the command, and lend it with a client and the sentence that it begins with."""
    command = [sys.executable, "-m", "personsearch", "serve", *map(str, arguments), "--port", "0", "--device", "cpu"]
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "80", **environment},
    )
    try:
        assert child.stdout is not None
        assert child.stderr is not None
        sentence = child.stdout.readline()
        found = re.search(r"http://\S+?:(\d+)/", sentence)
        assert found, child.stderr.read()
        with httpx.Client(base_url=f"http://127.0.0.1:{found[1]}", timeout=60) as client:
            yield child, client, sentence
    finally:
        child.kill()
        child.communicate()


def ended(child: subprocess.Popen[str], number: signal.Signals) -> str:
    """End a process with a signal; return what it wrote beside the first sentence."""
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert "Traceback" not in err
    return out + err


def test_a_kill_in_the_middle_of_writing_loses_nothing(weights: Path, tmp_path: Path) -> None:
    folder, acknowledged = tmp_path / "gallery", []
    with process(folder, "--weights", weights) as (child, client, sentence):
        assert "for this machine alone; no token needed" in sentence

        def store(thread: int) -> None:
            for number in range(1000):
                name = f"{thread}-{number}"
                try:
                    answer = client.post(
                        "/api/scenes", files={"picture": scene_png(number)}, data={"image_id": name, "time": "1"}
                    )
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    acknowledged.append(name)

        threads = [threading.Thread(target=store, args=(number,)) for number in range(3)]
        for one in threads:
            one.start()
        while len(acknowledged) < 12:
            threading.Event().wait(0.002)
        child.kill()
        for one in threads:
            one.join()
    with Gallery.open(folder, mode="r") as gallery:
        assert gallery.check() == []
        assert set(acknowledged) <= set(gallery.image_ids())
    environment = {"PERSONSEARCH_TOKEN": "0123456789abcdef-env"}
    with process(folder, "--weights", weights, "--host", "0.0.0.0", **environment) as (child, client, sentence):  # noqa: S104
        assert "(with the token of PERSONSEARCH_TOKEN)" in sentence
        assert environment["PERSONSEARCH_TOKEN"] not in sentence
        assert client.get("/api/gallery").status_code == 401
        client.headers["Authorization"] = f"Bearer {environment['PERSONSEARCH_TOKEN']}"
        assert client.get("/api/gallery").json()["images"] >= len(acknowledged)
        answer = client.post("/api/scenes", files={"picture": scene_png(7)}, data={"image_id": "after"})
        assert answer.status_code == 201
        said = ended(child, signal.SIGTERM)
    assert said.count("stopped") == 1
    assert "is not encrypted" in said
    for secret in (*environment.values(), "after", "/api/"):
        assert secret not in said


@pytest.mark.slow
def test_requests_in_work_are_finished_before_it_ends(weights: Path, tmp_path: Path) -> None:
    with process(tmp_path / "gallery", "--weights", weights) as (child, client, _):
        answers = []

        def store(number: int) -> None:
            answers.append(
                client.post("/api/scenes", files={"picture": scene_png(number)}, data={"image_id": f"{number}"})
            )

        threads = [threading.Thread(target=store, args=(number,)) for number in range(4)]
        for one in threads:
            one.start()
        while client.get("/health").json()["waiting"] == 0:
            if not any(one.is_alive() for one in threads):
                break
        said = ended(child, signal.SIGINT)
        for one in threads:
            one.join()
    assert "stopped" in said
    assert "interrupted" not in said
    assert {one.status_code for one in answers} == {201}
    with Gallery.open(tmp_path / "gallery", mode="r") as gallery:
        assert gallery.num_images == len(answers) == 4


def commands_of(page: Path, port: int) -> list[str]:
    """Return the commands of a page that call the service, as they would be typed."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)
    [block] = [one for one in blocks if "curl" in one]
    lines = block.replace("\\\n", "").replace("localhost:8000", f"localhost:{port}").splitlines()
    return [line for line in lines if line.startswith("curl")]


def run_the_commands_of_the_page(folder: Path, port: int, example: bytes) -> None:
    (folder / "query.jpg").write_bytes(example)
    shutil.copy(demo_folder() / "s23c4_0000.jpg", folder / "photo.jpg")
    answers = []
    for command in commands_of(PAGE, port):
        done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
        answers.append(json.loads(done.stdout) if done.stdout else None)
    assert len(answers) == 6
    assert len(answers[0]["matches"]) == 5
    assert answers[0]["matches"][0]["one_in"] == 100
    assert (answers[1]["image_id"], answers[1]["stored"]) == ("door/0001.jpg", True)
    assert {match["camera"] for match in answers[2]["matches"]} <= {"s23c2", "door"}
    assert answers[2]["matches"]
    assert (folder / "crop.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert answers[4] == {"removed": 1}
    assert answers[5]["erased"] > 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed, and the page's commands use it")
def test_the_demo_finds_somebody_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with process("--demo", TMPDIR=str(tmp_path / "tmp")) as (child, client, sentence):
        assert sentence.startswith("personsearch is at http://127.0.0.1:")
        gallery = client.get("/api/gallery").json()
        assert (gallery["name"], gallery["images"], len(gallery["cameras"])) == ("demo", 11, 4)
        assert gallery["persons"] > 10
        example = client.get(gallery["example"]["url"]).content
        found = client.post("/api/detect", files={"picture": example}).json()
        assert len(found["people"]) > 3
        best = [
            client.post("/api/search", json={"embeddings": [one["embedding"]], "k": 1}).json()["matches"][0]
            for one in found["people"]
        ]
        assert max(one["similarity"] for one in best) > 0.6
        assert {one["picture"] for one in best} == {True}
        assert client.get(best[0]["crop"]).status_code == 200
        run_the_commands_of_the_page(tmp_path, client.base_url.port or 0, example)
        assert any((tmp_path / "tmp").iterdir())
        ended(child, signal.SIGTERM)
    assert not any((tmp_path / "tmp").iterdir())
