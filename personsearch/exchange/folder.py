"""The folder of an export: new, unfinished or finished; an export that was interrupted continues where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from personsearch.durable import write_durably
from personsearch.errors import ConfigError
from personsearch.exchange.records import IMAGES

#: Says what the export is, from its first moment on.
MANIFEST = "export.json"
#: What is done, a line for each picture; it is there until the export is finished.
JOURNAL = "export.unfinished.jsonl"


class ExportFolder:
    """A folder into which an export is written, picture by picture.

    Attributes:
        path: the folder.
        images: the folder of its pictures.
        done: name of a picture without suffix -> what :meth:`write` noted about it, from an earlier call.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        """Make a new folder ready, or one that this very export began.

        Args:
            path: the folder.
            manifest: what the export is; whatever JSON can hold.

        Raises:
            ConfigError: the folder holds something else, or a finished export.
            OSError: it cannot be written to.
        """
        self.path, self.images = path, path / IMAGES
        self._journal = path / JOURNAL
        self._manifest = dict(manifest)
        self.done: dict[str, dict[str, Any]] = {}
        if path.exists() and not path.is_dir():
            raise ConfigError(f"{path}: is a file; name a folder for the export")
        if path.is_dir() and any(path.iterdir()):
            self._continue()
        else:
            self.images.mkdir(parents=True, exist_ok=True)
            self._journal.touch()
            write_durably(path / MANIFEST, _text(self._manifest))

    def _continue(self) -> None:
        try:
            began = json.loads((self.path / MANIFEST).read_bytes())
        except (OSError, ValueError):
            began = None
            if set(os.listdir(self.path)) <= {IMAGES, JOURNAL}:  # killed in its first moment
                began = self._manifest
                write_durably(self.path / MANIFEST, _text(self._manifest))
        if began is None:
            raise ConfigError(f"{self.path}: is not empty, and holds no export; name a new folder")
        if not self._journal.is_file():
            raise ConfigError(
                f"{self.path}: holds a finished export, which may have been corrected since; name a new folder, or "
                "delete this one"
            )
        if began != json.loads(_text(self._manifest)):
            raise ConfigError(
                f"{self.path}: holds an unfinished export of something else or with other options; give the same "
                "gallery and options to continue it, name a new folder, or delete this one"
            )
        self.images.mkdir(exist_ok=True)
        for left in self.images.glob(".*"):  # written in part when the export was stopped
            left.unlink()
        for line in self._journal.read_bytes().split(b"\n"):
            try:
                note = json.loads(line)
                if (self.images / note["file"]).is_file():
                    self.done[note["stem"]] = note
            except (ValueError, KeyError, TypeError):  # the last line, broken off
                continue

    def write(self, pictures: Sequence[tuple[dict[str, Any], bytes]]) -> None:
        """Write pictures and note that they are done.

        Args:
            pictures: a note (``stem`` and ``file``, the picture's name without and with its suffix, and whatever else
                JSON can hold) and the content of each.

        Raises:
            OSError: the disk is full or refuses; what was noted before stays done.
        """
        for note, data in pictures:
            write_durably(self.images / note["file"], data)
        with self._journal.open("ab") as file:
            file.write(b"".join(b"\n" + json.dumps(note).encode() for note, _ in pictures))
            file.flush()
            os.fsync(file.fileno())

    def finish(self, files: Mapping[str, bytes], report: Mapping[str, Any]) -> None:
        """Write the annotations, and say that the export is finished.

        Args:
            files: name in the folder -> content.
            report: what was exported, for the manifest.
        """
        for name, data in files.items():
            write_durably(self.path / name, data)
        write_durably(self.path / MANIFEST, _text({**self._manifest, "finished": report}))
        self._journal.unlink()


def _text(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
