from pathlib import Path

import pytest

from personsearch.errors import ConfigError
from personsearch.exchange.folder import JOURNAL, MANIFEST, ExportFolder

WHAT = {"format": "coco", "selection": {"cameras": ["dör", "\ud800"], "since": None}}


def test_what_is_noted_is_done_only_with_its_picture(tmp_path: Path) -> None:
    first = ExportFolder(tmp_path / "out", WHAT)
    first.write([({"stem": "a", "file": "a.jpg", "size": [4, 3]}, b"1"), ({"stem": "b", "file": "b.png"}, b"2")])
    (tmp_path / "out" / "images" / "b.png").unlink()
    (tmp_path / "out" / "images" / ".c.jpg.99").write_bytes(b"half")
    with (tmp_path / "out" / JOURNAL).open("ab") as journal:
        journal.write(b'\n{"stem": "c", "fi')
    again = ExportFolder(tmp_path / "out", WHAT)
    assert again.done == {"a": {"stem": "a", "file": "a.jpg", "size": [4, 3]}}
    assert [path.name for path in again.images.iterdir()] == ["a.jpg"]
    again.write([({"stem": "d", "file": "d.jpg"}, b"4")])  # behind the broken line
    assert ExportFolder(tmp_path / "out", WHAT).done.keys() == {"a", "d"}


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"mine: is not empty, and holds no export; name a new folder"):
        ExportFolder(tmp_path / "mine", WHAT)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file; name a folder"):
        ExportFolder(tmp_path / "file", WHAT)


def test_a_finished_export_is_never_written_over(tmp_path: Path) -> None:
    folder = ExportFolder(tmp_path / "out", WHAT)
    folder.finish({"train.json": b"{}"}, {"scenes": 0})
    with pytest.raises(ConfigError, match="holds a finished export"):
        ExportFolder(tmp_path / "out", WHAT)


def test_an_export_that_was_killed_in_its_first_moment_continues(tmp_path: Path) -> None:
    ExportFolder(tmp_path / "out", WHAT)
    (tmp_path / "out" / MANIFEST).unlink()
    assert ExportFolder(tmp_path / "out", WHAT).done == {}
    with pytest.raises(ConfigError, match="of something else or with other options"):
        ExportFolder(tmp_path / "out", {**WHAT, "format": "cvat"})
