"""The people in images."""

import json
from pathlib import Path

from PIL import Image

from tests.support import Run


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_detect(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    done = run("detect", photos / "0.png", photos / "1.png", "--weights", weights, "--save", tmp_path / "d", "--json")
    rows = json.loads(done.out)
    assert len(rows) == 2
    assert len(rows[0]["boxes"][0]) == 4
    assert size_of(tmp_path / "d" / "0.png") == (160, 96)
    one = run("detect", photos / "0.png", "--weights", weights, "--save", f"{tmp_path}/new/")
    assert f"drawn into {tmp_path}/new/0.png" in one.out.replace("\n", "")
    assert "nobody detected" in run("detect", photos / "0.png", "--threshold", 1, "--weights", weights).out


def test_detect_goes_on_after_a_broken_image(run: Run, weights: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no")
    names = [photos / "0.png", tmp_path / "broken.png", photos / "1.png", photos / "0.png"]
    done = run("detect", *names, "--weights", weights, "--save", f"{tmp_path}/d", "--json")
    assert done.code == 1
    first, broken, second = json.loads(done.out)
    assert (len(first["boxes"]) > 0, len(second["boxes"]) > 0) == (True, True)
    assert "cannot be read as an image" in broken["error"]
    assert sorted(path.name for path in (tmp_path / "d").rglob("*.png")) == ["0.png", "1.png"]
    shown = run("detect", tmp_path / "broken.png", "--weights", weights)
    assert (shown.code, shown.out) == (1, "")
    assert "not used: " in shown.err
