"""A full disk: nothing acknowledged is lost, searching goes on, and so does storing once there is room."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from personsearch import Gallery, PersonSearcher
from personsearch.serve import create_app
from personsearch.serve.storing import PictureFolder
from tests.serve.support import error_of, running, scene_png


@pytest.mark.parametrize("pictures", [False, True])
def test_a_full_disk(small_disk: Path, tiny: PersonSearcher, home: Path, *, pictures: bool) -> None:
    folder = small_disk / "g"
    shutil.copytree(home / "gallery", folder)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 160 * 1024))
    app = create_app(folder, tiny, pictures=small_disk / "kept" if pictures else None)
    if pictures:
        app.state.service.pictures._reserve = 0
    stored = []
    with running(app) as client:
        for number in range(200):
            sent = {"picture": scene_png(number)}
            answer = client.post("/api/scenes", files=sent, data={"image_id": f"{number}"})
            if answer.status_code != 201:
                break
            stored.append(f"{number}")
        assert answer.status_code == 507, answer.text
        assert "disk" in error_of(answer)
        assert str(small_disk) not in answer.text
        assert stored
        assert client.post("/api/search", json={"detection": 1}).status_code == 200
        assert client.get("/health").status_code == 200
        filler.unlink()
        again = client.post("/api/scenes", files=sent, data={"image_id": "after"})
        assert again.status_code == 201, again.text
    with Gallery.open(folder, mode="r") as gallery:
        assert gallery.image_ids()[6:] == [*stored, "after"]
        assert gallery.check() == []
    if pictures:
        assert len(list((small_disk / "kept").iterdir())) == len(stored) + 1


def test_a_picture_is_whole_or_absent(small_disk: Path) -> None:
    folder = PictureFolder(small_disk / "kept", reserve=0)
    with pytest.raises(Exception, match="the disk of the pictures"):
        folder.keep("a", "0" * 64, b"x" * 2**22)
    assert not list((small_disk / "kept").iterdir())
