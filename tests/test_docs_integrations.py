"""The recipes of docs/integrations.md: the commands run here, what needs another library where that is installed."""

import re
import shlex
from pathlib import Path

import av
import pytest
from PIL import Image

from personsearch import Gallery, PersonSearcher
from personsearch.datasets import load_dataset
from personsearch.demo import demo_folder
from tests.exchange.galleries import box_at, gallery_of
from tests.support import Run

PAGE = (Path(__file__).parents[1] / "docs" / "integrations.md").read_text()


def section(title: str) -> str:
    """Return the text below a heading of the second level."""
    found = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_every_export_on_the_page_runs(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = [(f"{n}.jpg", "door", float(n), {n % 3: box_at(4), 3: box_at(40)}) for n in range(12)]
    gallery = gallery_of(tmp_path, scenes)
    gallery.close()
    gallery.path.rename(tmp_path / "my-gallery")
    monkeypatch.chdir(tmp_path)
    lines = dict.fromkeys(re.findall(r"^ *personsearch (gallery export .*)$", PAGE, flags=re.MULTILINE))
    assert len(lines) == 3
    for line in lines:
        done = run(*shlex.split(line))
        assert (done.code, done.err) == (0, "")
    assert run("data", "check", "my-coco-set", "--quick").code == 0
    assert len(load_dataset("my-coco-set", "train").scenes) + len(load_dataset("my-coco-set").scenes) == 12
    assert len(load_dataset("my-set-cvat").scenes) == 3
    assert Path("my-set/tasks.json").is_file()


def test_every_option_in_the_table_is_one_of_the_command(run: Run) -> None:
    table = section("From a gallery to a fine-tuning set")
    options = set(re.findall(r"^\| (`--.*?) \|", table, flags=re.MULTILINE))
    names = {name for cell in options for name in re.findall(r"--[a-z-]+", cell)}
    shown = run("gallery", "export", "--help").out
    assert len(names) > 8
    assert not [name for name in names if name not in shown]


def test_the_recipes_for_supervision_run(
    searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("supervision", reason="supervision is not installed")
    monkeypatch.chdir(tmp_path)
    scene = demo_folder() / "s23c4_0005.jpg"
    (tmp_path / "scene.jpg").write_bytes(scene.read_bytes())
    with Image.open(scene) as picture:
        size = picture.size
        with av.open("video.mp4", "w") as film:
            stream = film.add_stream("mpeg4", rate=4)
            (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
            for _ in range(3):
                film.mux(stream.encode(av.VideoFrame.from_image(picture.convert("RGB"))))
            film.mux(stream.encode())
    with Gallery.open("my-gallery", searcher.spec) as gallery:
        searcher.index([scene], gallery)
        gallery.people.group(min_similarity=0.7)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", section("supervision"), flags=re.DOTALL):
        exec(compile(block, "docs/integrations.md", "exec"), names)  # noqa: S102
    with Image.open("seen.png") as seen, Image.open(scene) as before:
        assert seen.size == size
        assert seen.tobytes() != before.convert("RGB").tobytes()
    with av.open("seen.mp4") as film:
        assert sum(1 for _ in film.decode(video=0)) == 3
    assert "unknown" not in names["names"]  # type: ignore[operator]
    assert all(re.fullmatch(r"\d+: person \d+", text) for text in names["texts"])  # type: ignore[attr-defined]
