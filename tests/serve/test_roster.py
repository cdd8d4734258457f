"""People that are remembered are those of the gallery, whoever writes to it."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest

from personsearch import Gallery
from personsearch.serve.roster import _COARSE, Roster


def settle() -> None:
    """Wait until a change is no longer one of now."""
    time.sleep(1.5 * _COARSE / 1e9)


def test_people_are_remembered_until_somebody_writes(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home / "gallery", tmp_path / "g"))
    roster = Roster(folder)
    settle()
    with Gallery.open(folder, mode="r") as reader:
        first = roster.all(reader)
        assert first == reader.people.all()
        settle()
        second = roster.all(reader)
        assert roster.all(reader) is second
        for change in range(3):
            with Gallery.open(folder) as writer:
                number = writer.people.all()[0].person_id
                writer.people.name(number, f"name {change}")
            assert roster.all(reader) == reader.people.all()
            assert roster.all(reader)[0].name == f"name {change}"
        with Gallery.open(folder) as writer:
            writer.people.forget(number)
        assert number not in [one.person_id for one in roster.all(reader)]
        settle()
        assert roster.all(reader) is roster.all(reader)
        roster.clear()
        assert roster._known is None


def test_nothing_is_remembered_of_what_changes_while_it_is_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(home / "gallery", tmp_path / "g"))
    roster = Roster(folder)
    settle()
    with Gallery.open(folder, mode="r") as reader:
        read = type(reader.people).all

        def slow(people: object) -> list:
            found = read(reader.people)
            thread = threading.Thread(target=rename)
            thread.start()
            thread.join()
            return found

        def rename() -> None:
            with Gallery.open(folder) as writer:
                writer.people.name(first, "Anna")

        first = reader.people.all()[0].person_id
        monkeypatch.setattr(type(reader.people), "all", slow)
        assert roster.all(reader)[0].name is None
        monkeypatch.undo()
        settle()
        assert roster.all(reader)[0].name == "Anna"
